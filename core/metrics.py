"""Figures of merit with their 95 % intervals. A new metric is one function and one line in METRICS."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Self

import numpy as np

from core import bootstrap, calibration
from core.bootstrap import Resampled

# scikit-learn and SciPy are imported where they are called: every command and worker reads this file as it starts.


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; NaN where the films cannot tell."""

    value: float
    low: float
    high: float

    @classmethod
    def from_json(cls, values: Mapping[str, float | None]) -> Self:
        """From plain values, null for NaN. Raises AttributeError, KeyError or TypeError for anything else."""
        return cls(*(math.nan if values[key] is None else values[key] for key in ("value", "low", "high")))


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def intervals_from_json(values: Mapping[str, Mapping[str, float | None]]) -> dict[str, Interval]:
    """Figures by name, from plain values."""
    return {name: Interval.from_json(figure) for name, figure in values.items()}


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts of films: true and false, negative (normal) and positive (pneumonia)."""

    tn: int
    fp: int
    fn: int
    tp: int


@dataclasses.dataclass(frozen=True)
class Judged:
    """Films with their truth and the model's answer.

    labels: (n,) of 0 and 1. scores: (n,) in [0, 1]. patients: (n,) of names. A film counts as
    positive where its score is at least the threshold.
    """

    labels: np.ndarray
    scores: np.ndarray
    patients: Sequence[str]
    threshold: float

    @cached_property
    def confusion(self) -> Confusion:
        from sklearn.metrics import confusion_matrix

        matrix = confusion_matrix(self.labels, self.scores >= self.threshold, labels=[0, 1])
        return Confusion(*(int(count) for count in matrix.ravel()))

    @cached_property
    def resampled(self) -> Resampled:
        return Resampled(self.labels, self.scores, self.patients)

    @property
    def has_both_classes(self) -> bool:
        return len(np.unique(self.labels)) == 2

    def resampled_counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """True negatives, false positives, false negatives, true positives in each resample: four of (RESAMPLES,)."""
        ill, called = self.labels == 1, self.scores >= self.threshold
        cells = np.stack([~ill & ~called, ~ill & called, ill & ~called, ill & called], axis=1)
        return tuple(self.resampled.sums(cells).astype(float).T)


def wilson(hits: int, of: int) -> Interval:
    """A proportion with its Wilson score interval (Wilson 1927)."""
    if of == 0:
        return UNKNOWN
    from scipy.stats import binomtest

    bounds = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    return Interval(hits / of, float(bounds.low), float(bounds.high))


def accuracy(judged: Judged) -> Interval:
    """Share of all films that were called rightly."""
    c = judged.confusion
    return wilson(c.tp + c.tn, c.tp + c.tn + c.fp + c.fn)


def sensitivity(judged: Judged) -> Interval:
    """Share of the pneumonia films that were found."""
    c = judged.confusion
    return wilson(c.tp, c.tp + c.fn)


def specificity(judged: Judged) -> Interval:
    """Share of the normal films that were left in peace."""
    c = judged.confusion
    return wilson(c.tn, c.tn + c.fp)


def ppv(judged: Judged) -> Interval:
    """Positive predictive value: share of pneumonia among the films called pneumonia."""
    c = judged.confusion
    return wilson(c.tp, c.tp + c.fp)


def npv(judged: Judged) -> Interval:
    """Negative predictive value: share of normal films among those called normal."""
    c = judged.confusion
    return wilson(c.tn, c.tn + c.fn)


def balanced_accuracy(judged: Judged) -> Interval:
    """Mean of sensitivity and specificity: accuracy if both classes were equally frequent."""
    return _of_counts(judged, lambda tn, fp, fn, tp: (tp / (tp + fn) + tn / (tn + fp)) / 2)


def f1(judged: Judged) -> Interval:
    """Harmonic mean of sensitivity and PPV."""
    return _of_counts(judged, lambda tn, fp, fn, tp: 2 * tp / (2 * tp + fp + fn))


def mcc(judged: Judged) -> Interval:
    """Matthews correlation (1975) of truth and answer, from -1 to 1; 0 is what guessing gives."""
    return _of_counts(
        judged,
        lambda tn, fp, fn, tp: (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
    )


def roc_auc(judged: Judged) -> Interval:
    """Chance that a pneumonia film scores higher than a normal one, over every threshold."""
    if not judged.has_both_classes:
        return UNKNOWN
    from sklearn.metrics import roc_auc_score

    return Interval(float(roc_auc_score(judged.labels, judged.scores)), *bootstrap.interval(resampled_roc_aucs(judged)))


def pr_auc(judged: Judged) -> Interval:
    """Average precision: PPV averaged over the steps of sensitivity; chance gives the share of pneumonia."""
    if not judged.has_both_classes:
        return UNKNOWN
    from sklearn.metrics import average_precision_score

    value = float(average_precision_score(judged.labels, judged.scores))
    return Interval(value, *bootstrap.interval(np.concatenate(list(map(_average_precision, _from_the_top(judged))))))


def brier(judged: Judged) -> Interval:
    """Mean squared distance of probability and truth (Brier 1950): 0 is best, 0.25 what always saying 0.5 gives."""
    errors = (judged.scores - judged.labels) ** 2
    sums, films = judged.resampled.sums(np.stack([errors, np.ones(len(errors))], axis=1)).T
    return Interval(float(errors.mean()), *bootstrap.interval(sums / films))


def calibration_error(judged: Judged) -> Interval:
    """Expected calibration error: mean distance of probability and share of pneumonia, over ten groups of films."""
    value = calibration.expected_calibration_error(judged.labels, judged.scores)
    order = np.argsort(judged.scores, kind="stable")
    gaps = (judged.labels - judged.scores)[order]
    replicates = np.concatenate([_calibration_errors(weights, gaps) for weights in judged.resampled.weights(order)])
    # Drawing anew adds noise, which this figure counts as error: so much lower lies what is drawn from.
    low, high = bootstrap.interval(replicates - (replicates.mean() - value))
    return Interval(value, min(max(low, 0.0), value), max(high, value))


METRICS: dict[str, Callable[[Judged], Interval]] = {
    "accuracy": accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "mcc": mcc,
    "roc_auc": roc_auc,
    "pr_auc": pr_auc,
    "brier": brier,
    "calibration_error": calibration_error,
}


def measure(judged: Judged, names: Sequence[str] = tuple(METRICS)) -> dict[str, Interval]:
    """Figures in METRICS, by name: all, or those named."""
    return {name: METRICS[name](judged) for name in names}


def at_prevalence(judged: Judged, prevalence: float) -> tuple[Interval, Interval]:
    """PPV and NPV where that share of films, in (0, 1), shows pneumonia, by Bayes' rule."""

    def right_among(hits: np.ndarray, share: float, false: np.ndarray) -> np.ndarray:
        """Of the answers given, those that are right: hits of a class with that share, false of the other."""
        return hits * share / (hits * share + false * (1 - share))

    return (
        _of_counts(judged, lambda tn, fp, fn, tp: right_among(tp / (tp + fn), prevalence, fp / (tn + fp))),
        _of_counts(judged, lambda tn, fp, fn, tp: right_among(tn / (tn + fp), 1 - prevalence, fn / (tp + fn))),
    )


def _of_counts(judged: Judged, figure: Callable) -> Interval:
    """A figure of the four counts, with its bootstrap interval."""
    c = judged.confusion
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(figure(*np.array([c.tn, c.fp, c.fn, c.tp], dtype=float)))
        replicates = figure(*judged.resampled_counts())
    return Interval(value, *bootstrap.interval(replicates)) if math.isfinite(value) else UNKNOWN


def resampled_roc_aucs(judged: Judged) -> np.ndarray:
    """ROC AUC of every resample: (RESAMPLES,) with NaN where a class is missing."""
    found = []
    for positives, negatives in judged.resampled.by_score():
        below = np.cumsum(negatives, axis=1) - negatives
        won = (positives * (below + negatives / 2)).sum(axis=1)
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        found.append(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))
    return np.concatenate(found)


def _from_the_top(judged: Judged):
    """Positive and negative films at each score or above, from the highest: two of (k, scores) a time."""
    for positives, negatives in judged.resampled.by_score():
        yield np.cumsum(positives[:, ::-1], axis=1), np.cumsum(negatives[:, ::-1], axis=1)


def _average_precision(counts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    positives, negatives = counts
    steps = np.diff(positives, axis=1, prepend=0)
    precision = np.divide(positives, positives + negatives, out=np.zeros_like(positives), where=positives > 0)
    total = positives[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (steps * precision).sum(axis=1) / total


def _calibration_errors(weights: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Expected calibration error of each resample: weights (k, n), films by score; gaps (n,) truth less probability."""
    reached = np.cumsum(weights, axis=1)
    summed = np.cumsum(weights * gaps, axis=1)
    found = []
    for count, sums in zip(reached, summed, strict=True):
        films = int(count[-1])
        # Groups of as many films each; copies of a film are alike, so a cut may go through them.
        sizes = [len(group) for group in np.array_split(np.arange(films), calibration.BINS)]
        at_cuts = np.interp(np.cumsum([0, *sizes]), np.concatenate([[0], count]), np.concatenate([[0], sums]))
        found.append(np.abs(np.diff(at_cuts)).sum() / films)
    return np.array(found)
