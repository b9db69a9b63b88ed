"""Films as another department would have taken them: exposure, framing and sharpness changed. A new one is a line.

To see what becomes of a model's answers there. Applied to the square before it is equalised, as the change
would come before our own processing.
"""

from collections.abc import Callable

import cv2
import numpy as np

# A film, and a random generator for shifts that differ from film to film.
Shift = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def exposed(film: np.ndarray, gamma: float = 1.0, contrast: float = 1.0, brightness: float = 0.0) -> np.ndarray:
    """contrast: factor about middle grey, after gamma. brightness: added, as a share of white."""
    levels = (_LEVELS**gamma - 0.5) * contrast + 0.5 + brightness
    return cv2.LUT(film, np.rint(levels.clip(0, 1) * 255).astype(np.uint8))


def _any_exposure(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Gamma from 1/3 to 3, contrast 0.4 to 1.6 and brightness ± 0.25 of white, anew for every film."""
    gamma, contrast, brightness = 2 ** random.uniform(-1.6, 1.6), random.uniform(0.4, 1.6), random.uniform(-0.25, 0.25)
    return exposed(film, gamma, contrast, brightness)


def placed(film: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    """Turned and scaled about its middle; what lies outside the film is black."""
    middle = (len(film) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, scale)
    return cv2.warpAffine(film, matrix, film.shape[::-1], flags=cv2.INTER_LINEAR)


def _nearer(share: float) -> Shift:
    """Loses so much of each side's length, or where negative gains it as black border."""
    return lambda film, random: placed(film, 0, 1 / (1 - share))


def coarsened(film: np.ndarray, share: float) -> np.ndarray:
    """Shrunk to that share of its side and enlarged again: without its fine detail."""
    side = max(8, round(len(film) * share))
    return cv2.resize(cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA), film.shape[::-1])


def _sharper(amount: float) -> Shift:
    """Unsharp masking, as many digital systems do it by themselves."""
    return lambda film, random: cv2.addWeighted(film, 1 + amount, cv2.GaussianBlur(film, (0, 0), 2), -amount, 0)


def _wider(factor: float) -> Shift:
    """Another width for the same height; the sides are lost."""

    def shift(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
        size = len(film)
        wide = cv2.resize(film, (round(size * factor), size), interpolation=cv2.INTER_LINEAR)
        left = (wide.shape[1] - size) // 2
        return np.ascontiguousarray(wide[:, left : left + size])

    return shift


_LEVELS = np.arange(256) / 255

UNSHIFTED = "as they are"
SHIFTS: dict[str, Shift] = {
    UNSHIFTED: lambda film, random: film,
    "darker": lambda film, random: exposed(film, gamma=1.5),
    "lighter": lambda film, random: exposed(film, gamma=0.67),
    "paler": lambda film, random: exposed(film, contrast=0.65),
    "harder": lambda film, random: exposed(film, contrast=1.4),
    "nearer": _nearer(0.15),
    "farther": _nearer(-0.15),
    "wider": _wider(1.2),
    "coarser": lambda film, random: coarsened(film, 0.4),
    "sharper": _sharper(1.5),
    "any exposure": _any_exposure,
}


def shifted(films: np.ndarray, name: str) -> np.ndarray:
    """The films under the shift of that name in SHIFTS: (n, size, size) uint8 in and out."""
    random = np.random.default_rng(0)
    return np.stack([SHIFTS[name](film, random) for film in films]) if len(films) else films
