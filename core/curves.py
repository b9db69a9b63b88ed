"""What the figures are read from, as curves: results only, drawing is elsewhere."""

import dataclasses

import numpy as np

from core import bootstrap, metrics
from core.metrics import Judged

# Where the bands of ROC and precision-recall curve are given.
GRID = np.linspace(0, 1, 101)
# Bins of the reliability diagram and of the score histogram, of equal width.
RELIABILITY_BINS, SCORE_BINS = 10, 20
# Threshold probabilities of the decision curve.
THRESHOLDS = np.arange(1, 100) / 100


@dataclasses.dataclass(frozen=True)
class Band:
    """At each x, the middle 95 % of the patient bootstrap."""

    x: list[float]
    low: list[float]
    high: list[float]


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """Points of the ROC curve, from (0, 0) to (1, 1); the band is over GRID."""

    false_positive_rate: list[float]
    sensitivity: list[float]
    band: Band


@dataclasses.dataclass(frozen=True)
class PrCurve:
    """Points of the precision-recall curve, from sensitivity 1 to 0; the band is over GRID.

    prevalence: share of pneumonia, the PPV that chance gives.
    """

    sensitivity: list[float]
    ppv: list[float]
    band: Band
    prevalence: float


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Films whose probability lies in [low, high): how many, their mean probability, the share of pneumonia."""

    low: float
    high: float
    films: int
    probability: float
    share: metrics.Interval


@dataclasses.dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per film at each threshold probability (Vickers and Elkin 2006).

    Of following the model, of treating all, and of treating none, which is 0.
    """

    threshold: list[float]
    model: list[float]
    treat_all: list[float]


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Films by probability and class: edges (bins + 1,), normal and pneumonia (bins,)."""

    edges: list[float]
    normal: list[int]
    pneumonia: list[int]


@dataclasses.dataclass(frozen=True)
class Curves:
    """Everything that is drawn of one judgement."""

    roc: RocCurve
    pr: PrCurve
    reliability: list[ReliabilityBin]
    histogram: Histogram
    decision: DecisionCurve


def of(judged: Judged) -> Curves:
    """All curves. Raises ValueError unless both classes are there."""
    if not judged.has_both_classes:
        raise ValueError("curves need films of both classes")
    # One pass through the resamples serves both bands.
    sensitivities, ppvs = [], []
    for positives, negatives in judged.resampled.by_score():
        found, alarms = (np.cumsum(counts[:, ::-1], axis=1) for counts in (positives, negatives))
        whole = (found[:, -1] > 0) & (alarms[:, -1] > 0)
        for true, false in zip(found[whole], alarms[whole], strict=True):
            sensitivities.append(_along(false / false[-1], true / true[-1]))
            # The best PPV at that sensitivity or more would flatter: the first threshold that reaches it counts.
            first = np.searchsorted(true, np.maximum(GRID * true[-1], 1))
            ppvs.append(true[first] / (true[first] + false[first]))
    return Curves(
        roc=_roc(judged, _band(sensitivities)),
        pr=_pr(judged, _band(ppvs)),
        reliability=reliability(judged),
        histogram=histogram(judged),
        decision=decision(judged),
    )


def _along(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """y over GRID, from (0, 0) on; where the curve climbs straight up, its top."""
    x, y = np.append(0, x), np.append(0, y)
    last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)
    return np.interp(GRID, x[last], y[last])


def _band(curves: list[np.ndarray]) -> Band:
    low, high = np.quantile(curves, bootstrap.BOUNDS, axis=0) if curves else np.full((2, len(GRID)), np.nan)
    return Band(GRID.tolist(), low.tolist(), high.tolist())


def _roc(judged: Judged, band: Band) -> RocCurve:
    from sklearn.metrics import roc_curve

    # scikit-learn drops points that lie on a straight line.
    false_positive_rate, sensitivity, _ = roc_curve(judged.labels, judged.scores)
    return RocCurve(false_positive_rate.tolist(), sensitivity.tolist(), band)


def _pr(judged: Judged, band: Band) -> PrCurve:
    from sklearn.metrics import precision_recall_curve

    ppv, sensitivity, _ = precision_recall_curve(judged.labels, judged.scores, drop_intermediate=True)
    return PrCurve(sensitivity.tolist(), ppv.tolist(), band, float(judged.labels.mean()))


def reliability(judged: Judged) -> list[ReliabilityBin]:
    """The bins that hold films, of RELIABILITY_BINS of equal width."""
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    place = np.clip(np.digitize(judged.scores, edges) - 1, 0, RELIABILITY_BINS - 1)
    found = []
    for bin in np.unique(place):
        inside = place == bin
        hits, films = int(judged.labels[inside].sum()), int(inside.sum())
        mean = float(judged.scores[inside].mean())
        found.append(ReliabilityBin(float(edges[bin]), float(edges[bin + 1]), films, mean, metrics.wilson(hits, films)))
    return found


def histogram(judged: Judged) -> Histogram:
    """Films in SCORE_BINS of equal width, by class."""
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    normal, ill = (np.histogram(judged.scores[judged.labels == label], edges)[0].tolist() for label in (0, 1))
    return Histogram(edges.tolist(), normal, ill)


def decision(judged: Judged) -> DecisionCurve:
    """Net benefit over THRESHOLDS: true positives less false ones, weighed by the odds of the threshold."""
    ill, films = judged.labels == 1, len(judged.labels)
    odds = THRESHOLDS / (1 - THRESHOLDS)
    called = judged.scores[:, None] >= THRESHOLDS
    true, false = called[ill].sum(axis=0), called[~ill].sum(axis=0)
    prevalence = ill.mean()
    return DecisionCurve(
        THRESHOLDS.tolist(),
        ((true - false * odds) / films).tolist(),
        (prevalence - (1 - prevalence) * odds).tolist(),
    )
