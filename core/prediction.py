"""One film in, one answer out: the same on the page and the command line."""

import dataclasses
import os
import threading
import time
from functools import cached_property
from typing import Any, Self

import numpy as np

from core import calibration, images, model_store
from core.calibration import Calibration
from core.gradcam import Heatmaps
from core.images import ImageSpec

BATCH = 64


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The model's answer to one film.

    verdict: suggests_pneumonia or suggests_normal (uncertain and not_a_chest_film are for models
    with a gate). probability: calibrated, in [0, 1]. chest_film: None, for the model has no gate.
    film: (size, size) uint8, as the model saw it.
    """

    verdict: str
    probability: float
    threshold: float
    chest_film: bool | None
    milliseconds: float
    film: np.ndarray
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the command line and REST say of a film: all but the film itself."""
        return {
            "verdict": self.verdict,
            "probability": self.probability,
            "threshold": self.threshold,
            "chest_film": self.chest_film,
            "milliseconds": round(self.milliseconds, 2),
        }


class Predictor:
    """A loaded model with its card. Threads may share it."""

    def __init__(self, name: str, card: dict[str, Any], model: Any):
        import tensorflow as tf

        self.name = name
        self.card = card
        self.spec = ImageSpec(**card["image_spec"])
        known = card["calibration"]
        # Cards of older models know no bias.
        self.calibration = Calibration(known["temperature"], known.get("bias", 0.0))
        self.threshold = card["operating_point"]["threshold"]
        self._model = model
        self._lock = threading.Lock()
        size = self.spec.size
        # A fixed signature: one graph for any number of films, where model.predict would take 10 times as long.
        self._call = tf.function(
            lambda films: model(films, training=False),
            input_signature=[tf.TensorSpec((None, size, size, 1), tf.uint8)],
        )

    @classmethod
    def load(cls, name: str) -> Self:
        """The promoted model or run of that name. Raises UserError if it is missing or changed."""
        stored = model_store.find(name)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        return cls(name, stored.card, keras.models.load_model(stored.file, compile=False, safe_mode=True))

    def predict(self, data: bytes) -> Prediction:
        """The answer to one film, given as the bytes of its file. Raises UserError if it is no picture."""
        begin = time.perf_counter()
        film = images.standardise(data, self.spec)
        probability = float(self.probabilities(film[None])[0])
        verdict = "suggests_pneumonia" if probability >= self.threshold else "suggests_normal"
        milliseconds = (time.perf_counter() - begin) * 1000
        return Prediction(verdict, probability, self.threshold, None, milliseconds, film)

    def probabilities(self, films: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of pneumonia.

        films: (n, size, size) uint8, standardised by this model's spec. Returns (n,) in [0, 1].
        """
        return calibration.calibrate(self.scores(films), self.calibration)

    def scores(self, films: np.ndarray) -> np.ndarray:
        """What the network itself answers, before calibration: as `probabilities`."""
        scores = []
        with self._lock:
            for begin in range(0, len(films), BATCH):
                scores.append(self._call(films[begin : begin + BATCH][..., None]).numpy()[:, 0])
        return np.concatenate(scores)

    def heatmaps(self, films: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Where the network looked for its answer to each film, see `core.gradcam`: attention, not localisation.

        films: as for `probabilities`, which are theirs. Returns (n, size, size) float32 in [0, 1].
        """
        return self._heatmaps.of(films, probabilities >= self.threshold)

    @cached_property
    def _heatmaps(self) -> Heatmaps:
        return Heatmaps(self._model)
