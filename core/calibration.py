"""From a network's score to a probability one may call so, and the threshold it is held against."""

import dataclasses

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

TEMPERATURES = (0.05, 20.0)
# A score of exactly 0 or 1 has no logit.
SMALLEST_SCORE = 1e-7


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """The threshold a calibrated probability must reach to count as pneumonia, and why there."""

    threshold: float
    rule: str


EVEN_ODDS = OperatingPoint(0.5, "even odds: calibrated probability of at least 0.5")


def fit_temperature(labels: np.ndarray, scores: np.ndarray) -> float:
    """The temperature that makes scores on films kept aside most probable (Guo et al. 2017).

    labels: (n,) of 0 and 1. scores: (n,) in [0, 1]. The targets are drawn in a little from 0 and 1
    (Platt 1999), so that a perfect score on few films does not become certainty.
    """
    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        logits = _logits(scores) / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, logits) - targets * logits))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def calibrate(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Scores in [0, 1] to calibrated probabilities in [0, 1]; their order stays."""
    return expit(_logits(scores) / temperature)


def _logits(scores: np.ndarray) -> np.ndarray:
    return logit(np.clip(np.asarray(scores, dtype=float), SMALLEST_SCORE, 1 - SMALLEST_SCORE))
