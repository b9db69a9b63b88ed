"""Figures of merit with their 95 % intervals. A new metric is one function and one line in METRICS."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

# scikit-learn and SciPy are imported where they are called: every command and worker reads this file as it starts.
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; NaN where the films cannot tell."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts of films: true and false, negative (normal) and positive (pneumonia)."""

    tn: int
    fp: int
    fn: int
    tp: int


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """Points of the ROC curve, from (0, 0) to (1, 1)."""

    false_positive_rate: list[float]
    sensitivity: list[float]


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


def wilson(hits: int, of: int) -> Interval:
    """A proportion with its Wilson score interval (Wilson 1927)."""
    if of == 0:
        return Interval(math.nan, math.nan, math.nan)
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


def roc_auc(judged: Judged) -> Interval:
    """Chance that a pneumonia film scores higher than a normal one, over every threshold."""
    if len(np.unique(judged.labels)) < 2:
        return Interval(math.nan, math.nan, math.nan)
    from sklearn.metrics import roc_auc_score

    value = float(roc_auc_score(judged.labels, judged.scores))
    low, high = np.nanquantile(_resampled_roc_aucs(judged), [0.025, 0.975])
    return Interval(value, float(low), float(high))


METRICS: dict[str, Callable[[Judged], Interval]] = {
    "accuracy": accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
    "roc_auc": roc_auc,
}


def _resampled_roc_aucs(judged: Judged) -> np.ndarray:
    """ROC AUC of RESAMPLES patient bootstraps (Efron 1979): (RESAMPLES,) with NaN where a class is missing.

    Patients are drawn, not films: one child may have several films, which are alike.
    """
    _, patient = np.unique(np.asarray(judged.patients), return_inverse=True)
    patients = patient.max() + 1
    values, group = np.unique(judged.scores, return_inverse=True)
    order = np.argsort(group, kind="stable")
    first_of_group = np.searchsorted(group[order], np.arange(len(values)))
    positive = judged.labels[order] == 1
    random = np.random.default_rng(0)
    aucs = []
    # Rows of draws at a time, so that memory stays small on large data sets.
    for _ in range(RESAMPLES // 50):
        draws = random.multinomial(patients, np.full(patients, 1 / patients), size=50)
        weights = draws[:, patient[order]].astype(float)
        positives = np.add.reduceat(weights * positive, first_of_group, axis=1)
        negatives = np.add.reduceat(weights * ~positive, first_of_group, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives
        won = (positives * (below + negatives / 2)).sum(axis=1)
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        aucs.append(np.divide(won, pairs, out=np.full(50, np.nan), where=pairs > 0))
    return np.concatenate(aucs)


def measure(judged: Judged) -> dict[str, Interval]:
    """Every figure in METRICS, by name."""
    return {name: metric(judged) for name, metric in METRICS.items()}


def roc(judged: Judged) -> RocCurve:
    """The ROC curve; points that lie on a straight line are dropped."""
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, _ = roc_curve(judged.labels, judged.scores)
    return RocCurve(false_positive_rate.tolist(), true_positive_rate.tolist())
