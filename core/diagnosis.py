"""What a run's figures say in plain words: what goes wrong, since when, and what to try."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from core import metrics
from core.data.sample import CLASS_NAMES
from core.settings import TrainSettings

Table = Mapping[str, list[float]]
ONE_CLASS, RUNAWAY, NOTHING, OVERFITTING = "one class", "learning rate", "nothing learnt", "overfitting"
UNCERTAIN, SLOW_DATA, UNFINISHED = "validation", "slow data", "unfinished"
# Those that spoil the run; the others are good to know.
SERIOUS = {ONE_CLASS, RUNAWAY, NOTHING}
# A loss that rose for so many epochs, and by so much, does not just waver.
RISING_EPOCHS, CLEAR_RISE = 3, 1.1
# Guessing gives ln 2 = 0.69.
EXPLODED = 2 * math.log(2)
STUCK = 1.2 * math.log(2)
# What guessing films right and wrong alike gives on a few hundred films.
BY_CHANCE = 0.55
WIDE = 0.05
# More films than any data set has: the file was edited by hand.
MOST_FILMS = 10**9
DATA_BOUND = 0.7
# A rise in ROC AUC over the last epochs that promises more.
STILL_RISING = 0.005


@dataclasses.dataclass(frozen=True)
class Remark:
    """Something a run's figures say. epoch: since when, counted from 1, where that can be told."""

    kind: str
    what: str
    fix: str
    epoch: int | None = None


def diagnose(table: Table, details: Mapping[str, Any], settings: TrainSettings) -> list[Remark]:
    """All remarks on a run, ended or in progress; none where all is well or too early to tell.

    table: columns of metrics.csv. details: of the run's status. Never raises for columns that are
    missing, or of unlike length, or hold NaN.
    """
    found = [look(_Figures(table), details, settings) for look in LOOKS]
    return [remark for remark in found if remark]


class _Figures:
    """Columns by name; an empty list where there is none."""

    def __init__(self, table: Table):
        self._columns = {name: [_number(value) for value in values] for name, values in table.items()}
        self.epochs = len(self._columns.get("epoch", []))

    def column(self, name: str) -> list[float]:
        return self._columns.get(name, [])[: self.epochs]

    def last(self, name: str) -> float:
        values = self.column(name)
        return values[-1] if values else math.nan


def _number(value: Any) -> float:
    """The value, or NaN for what is none: a table can be half-written, or written by another version."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _runaway(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    fix = f"Start again with a learning rate of {settings.learning_rate / 10:g}, a tenth of this one."
    losses = figures.column("loss")
    for number, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            what = f"The loss stopped being a number in epoch {number}: the learning rate is too high."
            return Remark(RUNAWAY, f"{what} The weights of the best epoch before it were kept.", fix, number)
        if loss > EXPLODED and (number == len(losses) or loss > 2 * losses[0]):
            what = f"In epoch {number} the loss was {loss:.2f}, and guessing would give 0.69: the steps are too long."
            return Remark(RUNAWAY, what, fix, number)
    if len(losses) >= RISING_EPOCHS and min(losses) > STUCK:
        what = f"The loss never came below {min(losses):.2f}, and guessing would give 0.69: the steps are too long."
        return Remark(RUNAWAY, what, fix)
    return None


def _one_class(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    found = (figures.last("val_sensitivity"), figures.last("val_specificity"))
    if found not in ((1, 0), (0, 1)):
        return None
    said = CLASS_NAMES[1] if found[0] == 1 else CLASS_NAMES[0]
    answers = list(zip(figures.column("val_sensitivity"), figures.column("val_specificity"), strict=False))
    since = len(answers)
    while since > 1 and answers[since - 2] == found:
        since -= 1
    return Remark(
        ONE_CLASS,
        f"The network calls every validation film {said}, since epoch {since}. Its accuracy is then only the share "
        "of that class.",
        "Give it a few more epochs; if it stays so, lower the learning rate or choose balanced sampling.",
        since,
    )


def _nothing(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    areas = figures.column("val_roc_auc")
    if len(areas) < RISING_EPOCHS or not all(1 - BY_CHANCE <= area <= BY_CHANCE for area in areas):
        return None
    return Remark(
        NOTHING,
        f"After {len(areas)} epochs the network still tells the classes apart no better than a coin.",
        "Check the labels on the Data set page; then try a learning rate ten times as high or as low.",
    )


def _overfitting(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    validation, training = figures.column("val_loss"), figures.column("loss")
    if len(validation) <= RISING_EPOCHS or len(training) != len(validation) or not all(map(math.isfinite, validation)):
        return None
    best = validation.index(min(validation))
    since = validation[best + 1 :]
    if len(since) < RISING_EPOCHS or min(since[-RISING_EPOCHS:]) < CLEAR_RISE * validation[best]:
        return None
    if not training[-1] < training[best]:
        return None
    return Remark(
        OVERFITTING,
        f"Since epoch {best + 2} the network has been learning the training films by heart: their loss falls, that of "
        "the validation films rises.",
        "The best epoch is kept in any case. Add augmentation or dropout, or let early stopping end the run.",
        best + 2,
    )


def _uncertain(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    counts = details.get("validation")
    if not isinstance(counts, Mapping):
        return None
    widest, name = 0.0, ""
    for kind, share in (("normal", figures.last("val_specificity")), ("pneumonia", figures.last("val_sensitivity"))):
        films = counts.get(kind)
        if isinstance(films, int) and 0 < films < MOST_FILMS and 0 <= share <= 1:
            interval = metrics.wilson(round(share * films), films)
            if (interval.high - interval.low) / 2 > widest:
                widest, name = (interval.high - interval.low) / 2, f"{films} {kind} films"
    if widest <= WIDE:
        return None
    return Remark(
        UNCERTAIN,
        f"With {name} to validate on, figures can be off by ±{widest * 100:.0f} points: smaller differences between "
        "epochs or runs say nothing.",
        "Raise the validation share, or use more films.",
    )


def _slow_data(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    share = _number(details.get("data_share"))
    if not share > DATA_BOUND:
        return None
    return Remark(
        SLOW_DATA,
        f"Making the batches takes {min(share, 1):.0%} of the time: the network waits for its films.",
        "Put the workspace on a faster disk, or use less augmentation.",
    )


def _unfinished(figures: _Figures, details: Mapping[str, Any], settings: TrainSettings) -> Remark | None:
    areas = figures.column("val_roc_auc")
    if figures.epochs < settings.epochs or len(areas) < RISING_EPOCHS + 1:
        return None
    latest = areas[-RISING_EPOCHS:]
    if latest != sorted(latest) or not latest[-1] - max(areas[:-RISING_EPOCHS]) > STILL_RISING:
        return None
    return Remark(
        UNFINISHED,
        "The ROC AUC on validation was still rising when the run ended.",
        "Duplicate the run with more epochs.",
    )


Look = Callable[[_Figures, Mapping[str, Any], TrainSettings], Remark | None]
LOOKS: tuple[Look, ...] = (_runaway, _one_class, _nothing, _overfitting, _uncertain, _slow_data, _unfinished)
