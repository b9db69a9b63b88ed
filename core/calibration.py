"""From a network's score to a probability one may call so, and the threshold it is held against."""

import dataclasses
from typing import Any

import numpy as np

# SciPy is imported where it is called: every command and worker reads this file as it starts.
TEMPERATURES = (0.05, 20.0)
LARGEST_BIAS = 10.0
# A score of exactly 0 or 1 has no logit.
SMALLEST_SCORE = 1e-7


@dataclasses.dataclass(frozen=True)
class Calibration:
    """From score to probability: logit / temperature + bias.

    The temperature (Guo et al. 2017) takes off what the network is too sure of; the bias, that it met another
    share of pneumonia in training, as with balanced sampling.
    """

    temperature: float
    bias: float = 0.0


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """The threshold a calibrated probability must reach to count as pneumonia, and why there."""

    threshold: float
    rule: str


EVEN_ODDS = OperatingPoint(0.5, "even odds: calibrated probability of at least 0.5")
# Thresholds whose Youden index is this near to the best count as good as the best.
GAP_TOLERANCE = 0.005
BINS = 10
# An answer that is right less often is called uncertain.
RIGHT_ENOUGH = 0.8


def fit(labels: np.ndarray, scores: np.ndarray) -> Calibration:
    """The calibration that makes scores on films kept aside most probable (Platt 1999).

    labels: (n,) of 0 and 1. scores: (n,) in [0, 1]. The targets are drawn in a little from 0 and 1, as Platt
    has it, so that a perfect score on few films does not become certainty.
    """
    from scipy.optimize import minimize

    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    logits = _logits(scores)

    def loss(chosen: np.ndarray) -> float:
        calibrated = logits / np.exp(chosen[0]) + chosen[1]
        return float(np.mean(np.logaddexp(0, calibrated) - targets * calibrated))

    bounds = [tuple(np.log(TEMPERATURES)), (-LARGEST_BIAS, LARGEST_BIAS)]
    log_temperature, bias = minimize(loss, np.zeros(2), bounds=bounds, method="L-BFGS-B").x
    return Calibration(float(np.exp(log_temperature)), float(bias))


def calibrate(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Scores in [0, 1] to calibrated probabilities in [0, 1]; their order stays."""
    return _shares(_logits(scores) / calibration.temperature + calibration.bias)


def _shares(logits: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(logits)


def _logits(scores: np.ndarray) -> np.ndarray:
    from scipy.special import logit

    return logit(np.clip(np.asarray(scores, dtype=float), SMALLEST_SCORE, 1 - SMALLEST_SCORE))


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """How far probabilities stray from the share of pneumonia among films that have them, on average.

    Over BINS groups of as many films each, in the order of their probability, so that no bin rests on a
    handful (Nixon et al. 2019, adaptive calibration error for one class). In [0, 1].
    """
    order = np.argsort(probabilities, kind="stable")
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    gaps = [len(group) * abs(labels[group].mean() - probabilities[group].mean()) for group in groups]
    return float(sum(gaps) / len(order))


def uncertain_band(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict[str, Any]:
    """Where an answer would be right too seldom: the calibrated probabilities in [low, high), for a card.

    labels: (n,) of 0 and 1. probabilities: (n,), of films the network was not trained on. The share of pneumonia at a
    probability comes from an isotonic regression (Barlow et al. 1972). low = high = threshold where none is.
    """
    from sklearn.isotonic import IsotonicRegression

    steps = np.linspace(0, 1, 1001)
    share = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(probabilities, labels).predict(steps)
    below = steps[(share > 1 - RIGHT_ENOUGH) & (steps < threshold)]
    above = steps[(share < RIGHT_ENOUGH) & (steps >= threshold)]
    low, high = min([threshold, *below]), max([threshold, *above])
    inside = (probabilities >= low) & (probabilities < high)
    right = (probabilities >= threshold) == (labels == 1)
    return {
        "low": float(low),
        "high": float(high),
        "right_enough": RIGHT_ENOUGH,
        "rule": f"probabilities whose answer, of films that were not trained on, was right less than "
        f"{RIGHT_ENOUGH:.0%} of the times",
        "films": len(labels),
        "share_of_films": float(inside.mean()),
        "right_inside": float(right[inside].mean()) if inside.any() else None,
        "right_outside": float(right[~inside].mean()) if not inside.all() else None,
    }


def why_uncertain(band: dict[str, Any]) -> str:
    """The sentence for a film whose probability lies in a card's band."""
    return (
        f"Between {band['low']:.1%} and {band['high']:.1%} fewer than {band['right_enough']:.0%} of the model's "
        "answers were right."
    )


def operating_point(rule: str, target: float, labels: np.ndarray, probabilities: np.ndarray) -> OperatingPoint:
    """The threshold that a rule in RULES finds on films the network was not trained on.

    target: the sensitivity, specificity or cost ratio that the rule asks for. labels: (n,) of 0 and 1.
    probabilities: (n,) calibrated.
    """
    return RULES[rule](labels, probabilities, target)


def _even_odds(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    return EVEN_ODDS


def _youden(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    candidates, sensitivity, specificity = _rates(labels, probabilities)
    threshold = candidates[np.argmax(sensitivity + specificity)]
    return OperatingPoint(float(threshold), "highest sensitivity + specificity (Youden 1950)")


def _sensitivity(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    candidates, sensitivity, _ = _rates(labels, probabilities)
    threshold = candidates[sensitivity >= target].max()
    return OperatingPoint(float(threshold), f"sensitivity of at least {target:g}, and the highest specificity there")


def _specificity(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    candidates, _, specificity = _rates(labels, probabilities)
    # Above the highest normal film nothing more is gained.
    good = candidates[specificity >= target]
    threshold = good.min() if len(good) else candidates.max()
    return OperatingPoint(float(threshold), f"specificity of at least {target:g}, and the highest sensitivity there")


def _cost(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    # Decision theory: treat where p × cost of a miss exceeds (1 − p) × cost of a false alarm.
    return OperatingPoint(1 / (1 + target), f"a missed pneumonia costs {target:g} times a false alarm")


def _gap(labels: np.ndarray, probabilities: np.ndarray, target: float) -> OperatingPoint:
    candidates, sensitivity, specificity = _rates(labels, probabilities)
    index = sensitivity + specificity
    good = np.flatnonzero(index >= index.max() - GAP_TOLERANCE)
    # A threshold serves as well anywhere down to the next lower probability.
    ends = _logits(candidates[[max(good[0] - 1, 0), good[-1]]])
    threshold = _shares(ends.mean())
    return OperatingPoint(
        float(threshold),
        f"the middle of the gap: of all thresholds within {GAP_TOLERANCE:g} of the highest sensitivity + specificity",
    )


def _rates(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate thresholds, ascending, with the sensitivity and the specificity that each gives."""
    candidates = np.unique(probabilities)
    positives, negatives = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    sensitivity = 1 - np.searchsorted(positives, candidates) / len(positives)
    specificity = np.searchsorted(negatives, candidates) / len(negatives)
    return candidates, sensitivity, specificity


RULES = {
    "even odds": _even_odds,
    "youden": _youden,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "cost": _cost,
    "middle": _gap,
}
