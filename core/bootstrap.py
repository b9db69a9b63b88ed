"""Resampling by patient (Efron 1979): how far a figure might lie from itself with other patients.

Patients are drawn, not films: one child may have several films, which are alike.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

RESAMPLES = 2000
# Resamples at a time, so that memory stays small on large data sets.
AT_ONCE = 50
BOUNDS = (0.025, 0.975)


@functools.lru_cache(maxsize=2)
def drawn(patients: int) -> np.ndarray:
    """How often each patient is drawn in each resample: (RESAMPLES, patients) uint8. The same for every call."""
    random = np.random.default_rng(0)
    draws = np.empty((RESAMPLES, patients), np.uint8)
    for row in draws:
        row[:] = np.bincount(random.integers(0, patients, patients), minlength=patients)
    return draws


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the replicates; NaN ones, of resamples that lack a class, are left out."""
    known = replicates[np.isfinite(replicates)]
    low, high = np.quantile(known, BOUNDS) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Resampled:
    """Films, resampled by patient. labels: (n,) of 0 and 1. scores: (n,). patients: (n,) of names."""

    labels: np.ndarray
    scores: np.ndarray
    patients: Sequence[str]

    @cached_property
    def _patient(self) -> np.ndarray:
        return np.unique(np.asarray(self.patients), return_inverse=True)[1]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of values of each film, (n, k), the sums in each resample: (RESAMPLES, k)."""
        draws = drawn(self._patient.max() + 1)
        of_patient = np.stack([np.bincount(self._patient, column) for column in values.T.astype(float)], axis=1)
        return draws.astype(np.float32) @ of_patient.astype(np.float32)

    def weights(self, order: np.ndarray) -> Iterator[np.ndarray]:
        """How often each film is drawn, films in that order: (AT_ONCE, n) until all resamples are through."""
        draws, patient = drawn(self._patient.max() + 1), self._patient[order]
        for begin in range(0, RESAMPLES, AT_ONCE):
            yield draws[begin : begin + AT_ONCE].take(patient, axis=1).astype(float)

    def by_score(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positive and negative films at each score that occurs, from the lowest: two of (AT_ONCE, scores) a time."""
        order = np.argsort(self.scores, kind="stable")
        _, first = np.unique(self.scores[order], return_index=True)
        positive = self.labels[order] == 1
        for weights in self.weights(order):
            all_films = np.add.reduceat(weights, first, axis=1)
            positives = np.add.reduceat(weights * positive, first, axis=1)
            yield positives, all_films - positives
