"""The network as it learns: from which weights, with which extra head, by which rule; and as it is stored."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from core import architectures, model_store, optimizers, precision
from core.architectures import ARCHITECTURES
from core.settings import TrainSettings

# What a film's subtype counts beside what it shows: pneumonia or none.
SUBTYPE_WEIGHT = 0.5


class _OfPneumonia:
    """Keeps a metric to the first column, the answer; the others are of the head for subtypes."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true[:, :1], y_pred[:, :1], sample_weight)


class Accuracy(_OfPneumonia, keras.metrics.BinaryAccuracy):
    """Share of the films on the right side of 0.5."""


class RocAuc(_OfPneumonia, keras.metrics.AUC):
    """Area under the ROC curve, from 200 thresholds."""


class Sensitivity(_OfPneumonia, keras.metrics.Recall):
    """Share of the pneumonia films at 0.5 or above."""


class Specificity(_OfPneumonia, keras.metrics.Recall):
    """Share of the normal films that stay below 0.5: recall of the other class."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(1 - y_true, 1 - y_pred, sample_weight)


class Loss(keras.losses.Loss):
    """Binary cross-entropy of the answer and, where films have a subtype, cross-entropy of that.

    Both sides (batch, 1 + subtypes): the answer, then one column a subtype, all zero for a film without.
    class_weights: how much a normal film counts, and one with pneumonia.
    """

    def __init__(self, label_smoothing: float, subtypes: int = 0, class_weights: tuple[float, float] = (1.0, 1.0)):
        super().__init__(name="loss")
        self.class_weights = class_weights
        self.answer = keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing, reduction="none")
        self.label_smoothing, self.subtypes = label_smoothing, subtypes

    def call(self, y_true, y_pred):
        normal, pneumonia = self.class_weights
        weights = ops.where(y_true[:, 0] > 0.5, pneumonia, normal)
        loss = weights * self.answer(y_true[:, :1], y_pred[:, :1])
        if not self.subtypes:
            return loss
        logarithms = ops.log(ops.maximum(y_pred[:, 1:], keras.config.epsilon()))
        known = y_true[:, 1:]
        smooth = (1 - self.label_smoothing) * known
        smooth += self.label_smoothing / self.subtypes * ops.sum(known, axis=1, keepdims=True)
        return loss - SUBTYPE_WEIGHT * weights * ops.sum(smooth * logarithms, axis=1)


class Learner:
    """A network in training.

    model: what `fit` trains, (n, 1 + subtypes) out. settings: of its run. subtypes: how many its extra
    head tells apart, 0 for none. steps: batches an epoch has. class_weights: see Loss.
    Raises UserError where the model to start from is missing.
    """

    def __init__(
        self, settings: TrainSettings, chosen: str, subtypes: int, steps: int, class_weights: tuple[float, float]
    ):
        self.settings = settings
        keras.utils.set_random_seed(settings.seed)
        module, options = ARCHITECTURES[settings.architecture], architectures.options_of(settings)
        if settings.start:
            options = architectures.bare(options)
        build = getattr(module, "build_for_training", module.build)

        def built() -> tuple[keras.Model, keras.Model]:
            base = build(settings.image_size, options)
            return base, _with_head(base, subtypes) if subtypes else base

        self.base, self.model = precision.built(built, chosen)
        if settings.start:
            _begin_with(self.base, settings)
        self._compile(Loss(settings.label_smoothing, subtypes, class_weights), steps)

    def _compile(self, loss: Loss, steps: int) -> None:
        optimizer = optimizers.make(self.settings, steps)
        optimizer.set_rates(_features(self.base), self.settings.backbone_rate, self.settings.head_epochs * steps)
        self.model.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=[
                Accuracy(name="accuracy"),
                RocAuc(name="roc_auc"),
                Sensitivity(name="sensitivity"),
                Specificity(name="specificity"),
            ],
            # XLA halves the speed on a processor (measured).
            jit_compile=False,
        )

    def twin(self) -> Callable[[list[np.ndarray]], keras.Model]:
        """Hands out the network as it is to be stored: as `build` makes it, in float32, with a snapshot's weights.

        A network built for bfloat16 would carry that into its file and answer in bfloat16 wherever it is
        loaded; a head for subtypes would answer what nobody asked.
        """
        settings = self.settings
        options = architectures.bare(architectures.options_of(settings))
        stored = ARCHITECTURES[settings.architecture].build(settings.image_size, options)
        # A snapshot begins with all of the model's variables, seeds of random layers among them.
        order = {id(variable): place for place, variable in enumerate(self.model.variables)}
        places = [order[id(weight)] for weight in self.base.weights]

        def filled(snapshot: list[np.ndarray]) -> keras.Model:
            for weight, place in zip(stored.weights, places, strict=True):
                weight.assign(snapshot[place])
            return stored

        return filled


def _with_head(base: keras.Model, subtypes: int) -> keras.Model:
    """The network with a second head on what its last layer sees."""
    last = base.get_layer("pneumonia")
    answer = keras.layers.Dense(subtypes, activation="softmax", dtype="float32", name="subtype")(last.input)
    both = keras.layers.Concatenate(dtype="float32", name="answers")([last.output, answer])
    return keras.Model(base.input, both, name=base.name)


def _features(base: keras.Model) -> list[keras.Variable]:
    """What there is to learn up to the last feature map."""
    names = [layer.name for layer in base.layers]
    last = names.index("features")
    return [variable for layer in base.layers[: last + 1] for variable in layer.trainable_variables]


def _begin_with(base: keras.Model, settings: TrainSettings) -> None:
    """Sets the network to the weights of the model it starts from."""
    stored = model_store.find(settings.start)
    weights = keras.models.load_model(stored.file, compile=False, safe_mode=True).weights
    for variable, weight in zip(base.weights, weights, strict=True):
        variable.assign(weight)
