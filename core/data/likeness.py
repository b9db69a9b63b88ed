"""Films that do not look like the rest of their data set: laterals, negatives, what is no chest film at all."""

import cv2
import numpy as np

SIDE = 32
COMPONENTS = 24
# With fewer films there is no "rest" to be unlike.
FEWEST = 100


def likeness(films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How each film fits in with the others: (correlation, strangeness), both (n,).

    films: (n, size, size) uint8. correlation: with the median film, in [-1, 1]; a negative is below 0.
    strangeness: what principal components of the others leave unexplained of a film, on a logarithmic
    scale, as robust deviations from the median. NaN where there are fewer than FEWEST films.
    """
    if len(films) < FEWEST:
        return np.full(len(films), np.nan), np.full(len(films), np.nan)
    # Every page and every run imports this module; few of them prepare films.
    from sklearn.decomposition import PCA

    thumbs = _thumbs(films)
    median = np.median(thumbs, axis=0)
    correlation = thumbs @ (median / max(np.linalg.norm(median), 1e-6))
    # Strangers must not teach what is usual.
    usual = correlation >= np.quantile(correlation, 0.1)
    half = np.arange(len(films)) % 2 == 0
    score = np.empty(len(films))
    for judged in (half, ~half):
        # Components that have seen a film explain it too well: each half is judged by the other.
        pca = PCA(min(COMPONENTS, len(films) // 20), svd_solver="covariance_eigh").fit(thumbs[~judged & usual])
        unexplained = thumbs[judged] - pca.inverse_transform(pca.transform(thumbs[judged]))
        score[judged] = np.log((unexplained**2).sum(axis=1) + 1e-9)
    middle = np.median(score[usual])
    spread = 1.4826 * np.median(np.abs(score[usual] - middle))
    return correlation, (score - middle) / max(spread, 1e-9)


def _thumbs(films: np.ndarray) -> np.ndarray:
    """(n, SIDE²) float32, each of mean 0 and length 1: brightness and contrast do not count."""
    thumbs = np.empty((len(films), SIDE * SIDE), np.float32)
    for row, film in enumerate(films):
        thumbs[row] = cv2.resize(film, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    thumbs -= thumbs.mean(axis=1, keepdims=True)
    return thumbs / np.maximum(np.linalg.norm(thumbs, axis=1, keepdims=True), 1e-3)
