"""Varies films as they are shown to a network: turned, moved, brighter, grainier; anew at every sight of them.

OpenCV on uint8, not Keras's layers: a twentieth of the time, and a page can show the very same pictures
without TensorFlow (docs/decisions/0005-training.md).
"""

import functools

import cv2
import numpy as np

from core.settings import TrainSettings
from core.shifts import coarsened

GEOMETRY = ("rotation", "zoom", "stretch", "shift", "mirror")
LIGHT = ("brightness", "contrast", "gamma")
# Four times the largest film, so that a piece of it can be taken at very many places.
GRAIN_PIXELS = 4 * 1024 * 1024
DRAWS = 10


def is_on(settings: TrainSettings) -> bool:
    """True if the settings vary films at all."""
    return any(getattr(settings, name) for name in (*GEOMETRY, *LIGHT, "coarseness", "noise"))


def augment(films: np.ndarray, settings: TrainSettings, random: np.random.Generator) -> np.ndarray:
    """The films, each varied within the limits of the settings.

    films: (n, size, size) uint8, left as they are. Returns the same shape and type. The same state of
    `random` gives the same films.
    """
    moving = any(getattr(settings, name) for name in GEOMETRY)
    lighting = any(getattr(settings, name) for name in LIGHT)
    grain = _grain(settings.noise) if settings.noise else None
    # As many draws whatever is on: another knob does not change how a film is turned.
    drawn = random.uniform(-1, 1, (len(films), DRAWS))
    places = random.integers(0, GRAIN_PIXELS - films[:1].size + 1, len(films)).tolist()
    varied = films.copy()
    for film, draw, place in zip(varied, drawn, places, strict=True):
        if moving:
            film[...] = _moved(film, settings, draw)
        if settings.coarseness:
            film[...] = coarsened(film, 1 - abs(draw[9]) * settings.coarseness)
        if lighting:
            cv2.LUT(film, _levels(settings, draw), dst=film)
        if grain:
            _add_grain(film, grain, place)
    return varied


def _moved(film: np.ndarray, settings: TrainSettings, draw: np.ndarray) -> np.ndarray:
    """One resampling for rotation, zoom, mirror and shift; black beyond the edge, as around a film."""
    size = len(film)
    middle = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), draw[0] * settings.rotation, 1 + draw[1] * settings.zoom)
    if settings.mirror and draw[2] < 0:
        matrix[:, 2] += matrix[:, 0] * (size - 1)
        matrix[:, 0] *= -1
    # Wider by as much as it becomes lower: of the same size, in other proportions.
    wider = np.exp(draw[7] * np.log1p(settings.stretch) / 2)
    for axis, factor in enumerate((wider, 1 / wider)):
        matrix[axis] *= factor
        matrix[axis, 2] += (1 - factor) * middle
    matrix[:, 2] += draw[3:5] * settings.shift * size
    return cv2.warpAffine(film, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _levels(settings: TrainSettings, draw: np.ndarray) -> np.ndarray:
    """What each of the 256 levels becomes: gamma, contrast about the middle grey, and brightness."""
    levels = _SHARES ** (2 ** (draw[8] * settings.gamma)) - 0.5
    levels = levels * (1 + draw[5] * settings.contrast) + (0.5 + draw[6] * settings.brightness)
    return np.rint(levels * 255).clip(0, 255).astype(np.uint8)


_SHARES = np.arange(256) / 255


def _add_grain(film: np.ndarray, grain: tuple[np.ndarray, np.ndarray], place: int) -> None:
    more, less = (pixels[place : place + film.size].reshape(film.shape) for pixels in grain)
    cv2.add(film, more, dst=film)
    cv2.subtract(film, less, dst=film)


@functools.lru_cache(maxsize=2)
def _grain(share: float) -> tuple[np.ndarray, np.ndarray]:
    """A long row of Gaussian noise, from which each film takes a piece at a place of its own.

    What it adds and what it takes away: as uint8 each, the sum is ten times as fast as with signed numbers,
    and drawing a normal number for every pixel would take longer than all the rest.
    """
    row = np.random.default_rng(0).standard_normal(GRAIN_PIXELS, dtype=np.float32)
    row = np.rint(row * (share * 255)).clip(-255, 255)
    return row.clip(0, None).astype(np.uint8), (-row).clip(0, None).astype(np.uint8)
