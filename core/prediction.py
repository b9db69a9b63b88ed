"""One film in, one answer out: the same on the page and the command line."""

import dataclasses
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any, Self

import numpy as np

from core import calibration, contradictions, images, model_card, model_store, ood
from core.calibration import Calibration
from core.errors import UserError
from core.gradcam import Heatmaps
from core.images import ImageSpec
from core.ood import Gate

BATCH = 64


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The model's answer to one film.

    verdict: suggests_pneumonia, suggests_normal, uncertain or not_a_chest_film. probability: calibrated, in [0, 1],
    told of a refused film, too. chest_film: None where the model has no gate. film: (size, size) uint8, as the model
    saw it. reasons: why it is refused or uncertain. warnings: what its DICOM header says against it, and of whom the
    model was made. features: (d,), to find films alike with `Predictor.nearest`.
    """

    verdict: str
    probability: float
    threshold: float
    chest_film: bool | None
    milliseconds: float
    film: np.ndarray
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    features: np.ndarray | None = dataclasses.field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """What the command line and REST say of a film: all but the film itself."""
        return {
            "verdict": self.verdict,
            "probability": self.probability,
            "threshold": self.threshold,
            "chest_film": self.chest_film,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "milliseconds": round(self.milliseconds, 2),
        }


@dataclasses.dataclass(frozen=True)
class _Decoded:
    """film: as the network will see it. reasons, warnings: what is known before it does. seconds: what that took."""

    film: np.ndarray
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float


class Predictor:
    """A loaded model with its card. Threads may share it."""

    def __init__(self, name: str, card: dict[str, Any], model: Any, gate: Gate | None = None):
        import keras
        import tensorflow as tf

        self.name = name
        self.card = card
        self.gate = gate
        self.spec = ImageSpec(**card["image_spec"])
        known = card["calibration"]
        # Cards of older models know no bias.
        self.calibration = Calibration(known["temperature"], known.get("bias", 0.0))
        self.threshold = card["operating_point"]["threshold"]
        # Where features of films come from, with a gate or without.
        self.layer = gate.layer if gate else ood.layer_of(model)
        self._model = model
        self._lock = threading.Lock()
        both = keras.Model(model.input, [model.output, model.get_layer(self.layer).output])
        size = self.spec.size

        def call(films):
            scores, maps = both(films, training=False)
            return scores[:, 0], tf.reduce_mean(tf.cast(maps, tf.float32), axis=(1, 2))

        # A fixed signature: one graph for any number of films, where model.predict would take 10 times as long.
        self._call = tf.function(call, input_signature=[tf.TensorSpec((None, size, size, 1), tf.uint8)])

    @classmethod
    def load(cls, name: str) -> Self:
        """The promoted model or run of that name. Raises UserError if it or its gate is missing or changed."""
        stored = model_store.find(name)
        known = stored.card.get("gate")
        return cls._loaded(stored, Gate.load(stored.file.parent, known["sha256"]) if known else None)

    @classmethod
    def load_without_gate(cls, name: str) -> Self:
        """The same for whoever makes its gate. Raises UserError if the model is missing or changed."""
        return cls._loaded(model_store.find(name), None)

    @classmethod
    def _loaded(cls, stored: model_store.StoredModel, gate: Gate | None) -> Self:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        model = keras.models.load_model(stored.file, compile=False, safe_mode=True)
        return cls(stored.name, stored.card, model, gate)

    def predict(self, data: bytes) -> Prediction:
        """The answer to one film, given as the bytes of its file. Raises UserError if it is no picture."""
        return self._answers([self._decoded(data)])[0]

    def predict_many(self, files: Iterable[bytes]) -> Iterator[Prediction | UserError]:
        """The answer to each file in turn, or why there is none; decoded and judged some at a time.

        milliseconds: its own decoding and its share of the network's time.
        """
        left = iter(files)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(islice(left, BATCH)):
                decoded = list(pool.map(self._decoded_or_why, batch))
                answers = iter(self._answers([one for one in decoded if isinstance(one, _Decoded)]))
                yield from (next(answers) if isinstance(one, _Decoded) else one for one in decoded)

    def nearest(self, features: np.ndarray, count: int = 5) -> list[tuple[str, float]]:
        """The films most alike of those that the gate was fitted on, the nearest first: (name, distance).

        features: (d,), of a Prediction. distance: 1 is that of a usual film from the middle. Nothing without a gate.
        """
        return self.gate.nearest(features, count) if self.gate else []

    def _decoded_or_why(self, data: bytes) -> _Decoded | UserError:
        try:
            return self._decoded(data)
        except UserError as error:
            return error

    def _decoded(self, data: bytes) -> _Decoded:
        begin = time.perf_counter()
        film = images.standardise(data, self.spec)
        said = contradictions.claims(data)
        warnings = said.warnings
        if said.white_is_zero and self.gate and self.gate.seems(film) == ood.EXCHANGED:
            plain = images.standardise(data, dataclasses.replace(self.spec, equalise="none"))
            film, warnings = images.equalised(255 - plain, self.spec), (contradictions.NOT_INVERTED, *warnings)
        if population := model_card.about_population(self.card):
            warnings += (population,)
        reasons = ood.reasons_of_file(data, images.read_header(data)) if self.gate else ()
        return _Decoded(film, reasons, warnings, time.perf_counter() - begin)

    def _answers(self, decoded: list[_Decoded]) -> list[Prediction]:
        if not decoded:
            return []
        begin = time.perf_counter()
        scores, features = self.scores_and_features(np.stack([one.film for one in decoded]))
        probabilities = calibration.calibrate(scores, self.calibration)
        found = [self._judged(*row) for row in zip(decoded, probabilities, features, strict=True)]
        share = (time.perf_counter() - begin) / len(decoded)
        return [
            dataclasses.replace(answer, milliseconds=(one.seconds + share) * 1000)
            for answer, one in zip(found, decoded, strict=True)
        ]

    def _judged(self, one: _Decoded, probability: float, features: np.ndarray) -> Prediction:
        probability = float(probability)
        reasons = one.reasons + (self.gate.reasons(one.film, features) if self.gate else ())
        chest_film = not reasons if self.gate else None
        verdict = "suggests_pneumonia" if probability >= self.threshold else "suggests_normal"
        band = self.card.get("uncertain")
        if reasons:
            verdict = "not_a_chest_film"
        elif band and band["low"] <= probability < band["high"]:
            verdict, reasons = "uncertain", (calibration.why_uncertain(band),)
        return Prediction(
            verdict, probability, self.threshold, chest_film, 0.0, one.film, reasons, one.warnings, features
        )

    def probabilities(self, films: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of pneumonia.

        films: (n, size, size) uint8, standardised by this model's spec. Returns (n,) in [0, 1].
        """
        return calibration.calibrate(self.scores(films), self.calibration)

    def scores(self, films: np.ndarray) -> np.ndarray:
        """What the network itself answers, before calibration: as `probabilities`."""
        return self.scores_and_features(films)[0]

    def scores_and_features(self, films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with the features that the gate looks at, in one pass: (n,) and (n, d) float32."""
        found = []
        with self._lock:
            for begin in range(0, len(films), BATCH):
                found.append([values.numpy() for values in self._call(films[begin : begin + BATCH][..., None])])
        scores, features = zip(*found, strict=True)
        return np.concatenate(scores), np.concatenate(features)

    def heatmaps(self, films: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Where the network looked for its answer to each film, see `core.gradcam`: attention, not localisation.

        films: as for `probabilities`, which are theirs. Returns (n, size, size) float32 in [0, 1].
        """
        return self._heatmaps.of(films, probabilities >= self.threshold)

    @cached_property
    def _heatmaps(self) -> Heatmaps:
        return Heatmaps(self._model)
