"""The parts of a data set: who is in two of them, how the classes are shared out, what they can tell."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2_contingency

from core import metrics
from core.data.checks.finding import NOTE, SERIOUS, WARNING, Films, Finding, plural
from core.data.manifest import REGROUP, Fix
from core.data.sample import CLASS_NAMES

# Films of one patient, and their share of all, from which something is odd.
CROWD, CROWDED = 20, 0.2
OFFICIAL = ("train", "val", "test")
SIGNIFICANT = 0.01
# Share of the rarer class below which accuracy alone misleads.
RARE = 0.3
# 95 % interval of an accuracy of 90 %, from end to end: wider, and it tells good from bad no more.
WIDEST = 0.2
ASSUMED_ACCURACY = 0.9
REGROUP_LABEL = "Draw all parts anew, by patient"


def prevalence_table(films: Films) -> tuple[list[str], np.ndarray]:
    """Official parts that hold films, and (parts, 2) films of each class."""
    official, labels = films.column("split"), films.column("label")
    parts = [part for part in OFFICIAL if (official == part).any()]
    counts = [[int(((official == part) & (labels == label)).sum()) for label in (0, 1)] for part in parts]
    return parts, np.array(counts).reshape(len(parts), 2)


def prevalence_p(films: Films) -> float | None:
    """Chi-square test (Pearson 1900) of one prevalence of patients in all official parts.

    None where there is nothing to compare.
    """
    first = films.one_a_patient()
    official, labels = films.column("split")[first], films.column("label")[first]
    counts = np.array([[((official == part) & (labels == label)).sum() for label in (0, 1)] for part in OFFICIAL])
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2 or not counts.sum(axis=0).all():
        return None
    return float(chi2_contingency(counts).pvalue)


def patients_across(films: Films) -> Iterator[Finding]:
    """Patients whose films lie in more than one official part."""
    official = films.column("split")
    _, patient = np.unique(films.column("patient").astype(str), return_inverse=True)
    parts_of = np.zeros((patient.max() + 1, len(OFFICIAL)), bool)
    for number, part in enumerate(OFFICIAL):
        parts_of[patient[official == part], number] = True
    crossing = np.flatnonzero(parts_of.sum(axis=1) > 1)
    if not len(crossing):
        return
    order = np.argsort(patient, kind="stable")
    begin, end = np.searchsorted(patient[order], crossing), np.searchsorted(patient[order], crossing, side="right")
    groups = tuple(films.group(films.rows[order[a:b]]) for a, b in zip(begin, end, strict=True))
    title = f"{plural(len(crossing), 'patient')} {'is' if len(crossing) == 1 else 'are'} in more than one official part"
    yield Finding(
        "patients-across-splits",
        SERIOUS,
        title,
        "Films of one patient are alike: a network that saw one of them is not judged fairly on the others.",
        "Draw all parts anew by patient, which gives up the official test part; or leave it: films in train and val "
        "of patients who are in the test part too are not trained on.",
        groups,
        Fix(REGROUP, why=title),
        REGROUP_LABEL,
    )


def prevalence_shift(films: Films) -> Iterator[Finding]:
    """Official parts with different shares of pneumonia."""
    parts, counts = prevalence_table(films)
    p = prevalence_p(films)
    if p is None or p >= SIGNIFICANT:
        return
    shares = ", ".join(
        f"{share:.1%} in {part}" for part, share in zip(parts, counts[:, 1] / counts.sum(1), strict=True)
    )
    title = f"The share of pneumonia differs between the official parts: {shares}"
    yield Finding(
        "prevalence-shift",
        WARNING,
        title,
        f"That is not chance (chi-square test on patients, p {_small(p)}): a threshold or a PPV that fits one part "
        "does not fit the other.",
        "Judge by sensitivity, specificity and ROC AUC, or draw all parts anew, which gives up the official test part.",
        fix=Fix(REGROUP, why=title),
        fix_label=REGROUP_LABEL,
    )


def _small(p: float) -> str:
    return f"= {p:.1g}" if p >= 1e-6 else "< 0.000001"


def crowded_patient(films: Films) -> Iterator[Finding]:
    """One patient with a large share of all films: an identity that was blanked, perhaps."""
    names, counts = np.unique(films.column("patient").astype(str), return_counts=True)
    most = int(counts.argmax())
    if counts[most] < CROWD or counts[most] < CROWDED * len(films):
        return
    yield Finding(
        "crowded-patient",
        WARNING,
        f"One patient has {counts[most]:,} of the {len(films):,} films",
        "Where names were blanked to one word, all films count as one patient's and lie in one part.",
        "If so, give a table with a patient column, or films whose headers tell patients apart.",
        (films.group(films.rows[films.column("patient").astype(str) == names[most]]),),
    )


def class_balance(films: Films) -> Iterator[Finding]:
    """One class much rarer than the other."""
    share = np.bincount(films.column("label"), minlength=2) / max(len(films), 1)
    if share.min() >= RARE:
        return
    rare, common = CLASS_NAMES[int(share.argmin())], CLASS_NAMES[int(share.argmax())]
    yield Finding(
        "class-imbalance",
        NOTE,
        f"{share.max():.1%} of the films are {common}",
        f"A model that calls every film {common} is right {share.max():.1%} of the time and useless.",
        f"Look at both sensitivity and specificity, and try balanced class weights so that {rare} counts as much.",
    )


def small_validation(films: Films) -> Iterator[Finding]:
    """A validation part whose figures chance decides."""
    official = films.column("split") == "val"
    count = int(official.sum() if official.any() else (films.drawn == "validation").sum())
    interval = metrics.wilson(round(ASSUMED_ACCURACY * count), count)
    if count and interval.high - interval.low <= WIDEST:
        return
    title = f"The {'official validation' if official.any() else 'validation'} part has {plural(count, 'film')} only"
    meaning = (
        f"An accuracy of {interval.value:.0%} measured on it has a 95 % interval from {interval.low:.0%} to "
        f"{interval.high:.0%}: too wide to choose anything by."
        if count
        else "Nothing can be chosen on it."
    )
    if official.any():
        names = films.column("id")[official]
        yield Finding(
            "small-validation",
            WARNING,
            title,
            meaning,
            "Nothing need be done: training here pools train and val and draws a validation part from both. "
            "Drawing all parts anew also gives up an official test part.",
            (films.group(films.rows[official]),) if len(names) else (),
            Fix(REGROUP, why=title),
            REGROUP_LABEL,
        )
    else:
        yield Finding(
            "small-validation",
            WARNING,
            title,
            meaning,
            "Add films of more patients, or give validation a larger share when you train.",
        )
