"""Where a network looked for its answer (Grad-CAM, Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74).

Attention, not localisation: a bright place moved the answer, which does not make it the disease. On chest films this
method mostly came first of seven, and all seven fell below the human benchmark (Saporta et al. 2022,
doi:10.1038/s42256-022-00536-x).
"""

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.errors import UserError

if TYPE_CHECKING:
    import keras

FEATURES = "features"
# Feature maps and what is calculated of them lie in memory at once: fewer films than for an answer alone.
BATCH = 16
# Lightness rises evenly from black to pale yellow, so it reads alike with every kind of colour vision.
COLOURS = cv2.COLORMAP_INFERNO


class Heatmaps:
    """Where a network looked, compiled once for any number of films. Threads may share it."""

    def __init__(self, model: "keras.Model"):
        """model: as `ARCHITECTURES` build it. Raises UserError if it has no layer named "features"."""
        import keras
        import tensorflow as tf

        if not any(layer.name == FEATURES for layer in model.layers):
            raise UserError(
                f"The network {model.name!r} has no layer named {FEATURES!r}, so where it looked cannot be shown.",
                fix=f"Give its last feature map the name {FEATURES!r} and train it again.",
            )
        answer = model.layers[-1]
        looking = keras.Model(model.input, [model.get_layer(FEATURES).output, answer.input])
        size = model.input_shape[1]

        def heat(films, toward_pneumonia):
            features, drawn_together = looking(films, training=False)
            # Before the sigmoid: where the network is all but sure, the sigmoid is flat and nothing would be left.
            logit = tf.matmul(tf.cast(drawn_together, tf.float32), answer.kernel) + answer.bias
            # Not a tape, which sees nothing of a network whose weights are frozen.
            (gradient,) = tf.gradients(logit, features)
            features, gradient = tf.cast(features, tf.float32), tf.cast(gradient, tf.float32)
            weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
            spoke = tf.reduce_sum(weights * features, axis=3, keepdims=True)
            sign = tf.where(toward_pneumonia, 1.0, -1.0)[:, None, None, None]
            return tf.image.resize(tf.nn.relu(sign * spoke), (size, size))[..., 0]

        self._lock = threading.Lock()
        self._heat = tf.function(
            heat,
            input_signature=[tf.TensorSpec((None, size, size, 1), tf.uint8), tf.TensorSpec((None,), tf.bool)],
        )

    def of(self, films: np.ndarray, toward_pneumonia: np.ndarray) -> np.ndarray:
        """What spoke for pneumonia in a film, or for normal.

        films: (n, size, size) uint8, as the network sees them. toward_pneumonia: (n,) bool, which of both to show of
        each film. Returns (n, size, size) float32 in [0, 1]; the brightest place of every film is 1, so films do not
        compare, and a film where nothing spoke for it is all 0.
        """
        heats = np.zeros(films.shape, np.float32)
        with self._lock:
            for begin in range(0, len(films), BATCH):
                batch = slice(begin, begin + BATCH)
                heats[batch] = self._heat(films[batch][..., None], toward_pneumonia[batch]).numpy()
        peaks = heats.max(axis=(1, 2), keepdims=True, initial=0.0)
        # Weights that ran off to infinity leave NaN behind, which is nothing to show.
        shown = np.isfinite(peaks) & (peaks > 0)
        return np.divide(heats, peaks, out=np.zeros_like(heats), where=shown)


def overlay(film: np.ndarray, heat: np.ndarray, opacity: float) -> np.ndarray:
    """The film with its heat in colour over it; where there is no heat, the film itself.

    film: (size, size) uint8. heat: (size, size) in [0, 1]. opacity: of the hottest places, in [0, 1].
    Returns (size, size, 3) uint8, red, green, blue.
    """
    levels = np.rint(heat * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, COLOURS), cv2.COLOR_BGR2RGB)
    grey = film[..., None].astype(np.float32)
    return np.rint(grey + (opacity * heat)[..., None] * (colours - grey)).astype(np.uint8)
