"""Nuisances that give the class away: a network learns those first, and they mean nothing elsewhere."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

from core.data.checks.finding import SERIOUS, WARNING, Films, Finding, plural, singles
from core.data.sample import CLASS_NAMES, NORMAL, PNEUMONIA

ALARM, LOUD_ALARM = 0.75, 0.9
SIGNIFICANT = 0.001
# A value that few films have says nothing.
FEWEST = 5
TELLING = 0.01
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
    Mann-Whitney test with one film of each patient. normal, pneumonia: medians of the classes.
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
    labels, first = films.column("label"), films.one_a_patient()
    width, height = films.column("width").astype(float), films.column("height").astype(float)
    values = {"width": width, "height": height, "area": width * height, "aspect": width / height}
    values |= {name: films.column(name).astype(float) for name in ("brightness", "contrast")}
    found = []
    for name in NUISANCES:
        ill, well = values[name][labels == PNEUMONIA], values[name][labels == NORMAL]
        if not len(ill) or not len(well):
            continue
        auc, p = 0.5, 1.0
        if np.ptp(values[name]):
            auc = float(mannwhitneyu(ill, well).statistic / (len(ill) * len(well)))
            ones = [values[name][first][labels[first] == label] for label in (PNEUMONIA, NORMAL)]
            p = float(mannwhitneyu(*ones).pvalue) if all(map(len, ones)) else 1.0
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
    labels, first = films.column("label"), films.one_a_patient()
    patients = np.bincount(labels[first], minlength=2)
    for name, title in KINDS.items():
        values, which = np.unique(_kind(films, name).astype(str), return_inverse=True)
        counts = np.zeros((len(values), 2), int)
        np.add.at(counts, (which, labels), 1)
        by_patient = np.zeros((len(values), 2), int)
        np.add.at(by_patient, (which[first], labels[first]), 1)
        alone = np.flatnonzero((counts.min(axis=1) == 0) & (counts.sum(axis=1) >= FEWEST))
        # Of many values some are of one class by chance (Bonferroni).
        telling = [
            value
            for value in alone
            if fisher_exact([by_patient[value], patients - by_patient[value]]).pvalue < TELLING / len(values)
        ]
        if not telling:
            continue
        telling.sort(key=lambda value: -counts[value].sum())
        listed = "; ".join(
            f"all {plural(int(counts[value].sum()), 'film')} with “{values[value]}” are "
            f"{CLASS_NAMES[int(counts[value].argmax())]}"
            for value in telling[:LISTED]
        )
        more = f"; and {len(telling) - LISTED} more" if len(telling) > LISTED else ""
        flagged = np.isin(which, telling)
        yield Finding(
            f"one-class-{name}",
            SERIOUS if flagged.sum() > len(films) / 2 else WARNING,
            f"{title}: {listed}{more}",
            f"A network that notices it needs no lungs to tell the class of {flagged.mean():.0%} of the films.",
            "Bring all films through one pipeline. Here every film becomes grey and of one size, but traces may "
            "remain.",
            singles(films.column("id")[flagged].tolist()),
        )


def _kind(films: Films, name: str) -> np.ndarray:
    if name == "size":
        pairs = zip(films.column("width"), films.column("height"), strict=True)
        return np.array([f"{width} × {height}" for width, height in pairs], dtype=object)
    if name == "colour":
        return np.array(["RGB" if colour else "grey" for colour in films.column("colour")], dtype=object)
    return np.array([str(value) or "not stated" for value in films.column(name)], dtype=object)
