"""Nuisances that give the class away: a network learns those first, and they mean nothing elsewhere."""

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

from core.data.checks.finding import SERIOUS, WARNING, Films, Finding, plural, singles
from core.data.sample import CLASS_NAMES, NORMAL, PNEUMONIA

ALARM, LOUD_ALARM = 0.75, 0.9
SIGNIFICANT = 0.001
# A value that few films have says nothing.
FEWEST = 5
# Values named in a title.
LISTED = 3
NUISANCES = {
    "width": "Width",
    "height": "Height",
    "area": "Pixels in all",
    "aspect": "Width to height",
    "brightness": "Brightness",
    "contrast": "Contrast",
}
KINDS = {"colour": "Colour channels", "format": "File format", "bits": "Bits a channel", "size": "Size", "view": "View"}


@dataclasses.dataclass(frozen=True)
class Nuisance:
    """How well one nuisance alone tells the classes apart.

    roc_auc: chance that a pneumonia film has the larger value; .5 means it tells nothing. p: of the
    Mann-Whitney test. normal, pneumonia: medians of the classes.
    """

    name: str
    roc_auc: float
    p: float
    normal: float
    pneumonia: float

    @property
    def separation(self) -> float:
        """.5 to 1, whichever class has the larger values."""
        return max(self.roc_auc, 1 - self.roc_auc)

    @property
    def is_shortcut(self) -> bool:
        return self.separation >= ALARM and self.p < SIGNIFICANT


def nuisances(films: Films) -> list[Nuisance]:
    """One for each of NUISANCES. The ROC AUC is the Mann-Whitney statistic over all pairs (Hanley and McNeil 1982)."""
    labels = films.column("label")
    width, height = films.column("width").astype(float), films.column("height").astype(float)
    values = {"width": width, "height": height, "area": width * height, "aspect": width / height}
    values |= {name: films.column(name).astype(float) for name in ("brightness", "contrast")}
    found = []
    for name in NUISANCES:
        ill, well = values[name][labels == PNEUMONIA], values[name][labels == NORMAL]
        if not len(ill) or not len(well):
            continue
        if np.ptp(values[name]) == 0:
            auc, p = 0.5, 1.0
        else:
            test = mannwhitneyu(ill, well)
            auc, p = float(test.statistic / (len(ill) * len(well))), float(test.pvalue)
        found.append(Nuisance(name, auc, p, float(np.median(well)), float(np.median(ill))))
    return found


def separating(films: Films) -> Iterator[Finding]:
    """Nuisances that separate the classes."""
    alarms = [nuisance for nuisance in nuisances(films) if nuisance.is_shortcut]
    if not alarms:
        return
    listed = ", ".join(f"{NUISANCES[alarm.name].lower()} (ROC AUC {alarm.separation:.2f})" for alarm in alarms)
    loudest = max(alarm.separation for alarm in alarms)
    yield Finding(
        "shortcut-measure",
        SERIOUS if loudest >= LOUD_ALARM else WARNING,
        f"The class can be told without looking at the lungs: by {listed}",
        "A network may learn this instead of the disease, and its score will not hold anywhere else.",
        "Bring all films through one pipeline, hide the difference, or say it beside every figure.",
    )


def one_class_only(films: Films) -> Iterator[Finding]:
    """Values that only films of one class have, one finding for each of KINDS."""
    labels = films.column("label")
    totals = np.bincount(labels, minlength=2)
    for name, title in KINDS.items():
        values = _kind(films, name)
        owners = {
            value: int(np.bincount(labels[values == value], minlength=2).argmax())
            for value, count in Counter(values).most_common()
            if count >= FEWEST and _belongs_to_one(labels[values == value], totals)
        }
        if not owners:
            continue
        telling = np.isin(values.astype(str), list(owners))
        listed = "; ".join(
            f"all {plural(int((values == value).sum()), 'film')} with “{value}” are {CLASS_NAMES[owner]}"
            for value, owner in list(owners.items())[:LISTED]
        )
        more = f"; and {len(owners) - LISTED} more" if len(owners) > LISTED else ""
        yield Finding(
            f"one-class-{name}",
            SERIOUS if telling.sum() > len(films) / 2 else WARNING,
            f"{title}: {listed}{more}",
            f"A network that notices it needs no lungs to tell the class of {telling.mean():.0%} of the films.",
            "Bring all films through one pipeline. Here every film becomes grey and of one size, but traces may "
            "remain.",
            singles(films.column("id")[telling].tolist()),
        )


def _belongs_to_one(labels: np.ndarray, totals: np.ndarray) -> bool:
    """Whether these films are of one class, and too many for chance (Fisher's exact test)."""
    here = np.bincount(labels, minlength=2)
    return not here.all() and fisher_exact([here, totals - here]).pvalue < 10 * SIGNIFICANT


def _kind(films: Films, name: str) -> np.ndarray:
    if name == "size":
        pairs = zip(films.column("width"), films.column("height"), strict=True)
        return np.array([f"{width} × {height}" for width, height in pairs], dtype=object)
    if name == "colour":
        return np.array(["RGB" if colour else "grey" for colour in films.column("colour")], dtype=object)
    return np.array([str(value) or "not stated" for value in films.column(name)], dtype=object)
