"""DenseNet-121 (Huang et al. 2017), the usual network for chest films since CheXNet (Rajpurkar et al. 2017).

Its ImageNet weights are Keras's own and are downloaded once, where there is a network.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from core.architectures.blueprint import Builder, Ledger
from core.architectures.cost import LayerCost
from core.errors import UserError
from core.settings import check, option

if TYPE_CHECKING:
    import keras

TITLE = "DenseNet-121"
STAGES, GROWTH, STEM, EPSILON = (6, 12, 24, 16), 32, 64, 1.001e-5
# Mean and deviation of ImageNet's colours, as one grey.
MEAN, DEVIATION = 0.449, 0.226
SMALLEST_FILM = 32


@dataclasses.dataclass(frozen=True)
class Options:
    """Where its weights come from, and how much of it is switched off."""

    weights: str = option(
        "random",
        "Weights to begin with",
        "“imagenet” begins with what a million photographs taught it: 29 MB that are downloaded once. “random” "
        "begins with nothing.",
        choices=("imagenet", "random"),
    )
    dropout: float = option(
        0.2,
        "Dropout",
        "Share of the last features switched off at each step, against learning by heart.",
        low=0.0,
        high=0.9,
    )

    def check(self, image_size: int) -> None:
        """Raises UserError if a value is out of range or the network cannot be built."""
        check(self)
        if image_size < SMALLEST_FILM:
            raise UserError(
                f"Nothing is left of a film of {image_size} pixels at the end of {TITLE}.",
                fix=f"Use images of at least {SMALLEST_FILM} pixels.",
            )


def layers(image_size: int, options: Options) -> list[LayerCost]:
    """Every layer that `build` makes, without building it."""
    ledger = Ledger()
    _describe(ledger, image_size, options)
    return ledger.rows


def build(image_size: int, options: Options) -> "keras.Model":
    """An uncompiled model: (image_size, image_size, 1) uint8 in, one sigmoid unit out.

    Raises UserError if ImageNet weights are asked for and can be neither found nor downloaded.
    """
    return _built(Builder(), image_size, options)


def build_for_training(image_size: int, options: Options) -> "keras.Model":
    """The same function of the film with the same variables, in the form that trains fastest."""
    return _built(Builder(training=True), image_size, options)


def attribution(options: Options) -> str:
    """Whose weights it begins with."""
    return "DenseNet-121 of keras.applications, trained on ImageNet" if options.weights == "imagenet" else ""


def _built(builder: Builder, image_size: int, options: Options) -> "keras.Model":
    import keras

    model = keras.Model(*_describe(builder, image_size, options), name="densenet121")
    if options.weights == "imagenet":
        _load(model, _original())
    return model


def _original() -> "keras.Model":
    """The network as Keras has it, for three colours, with its weights."""
    import keras

    try:
        return keras.applications.DenseNet121(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:
        # A failing download shows in many kinds of exception.
        raise UserError(
            f"The ImageNet weights of {TITLE} cannot be downloaded: there seems to be no way to the network.",
            fix="Choose EfficientNet-Lite0, whose weights are here already, or begin with random weights.",
        ) from error


def _load(model: "keras.Model", original: "keras.Model") -> None:
    """Sets every layer up to the features to the original's weights, which come in the same order."""
    first, *rest = [variable.numpy() for variable in original.weights]
    # Grey goes in: what the filters make of three equal colours.
    weights = [first.sum(axis=2, keepdims=True), *rest]
    for variable, weight in zip(model.weights, weights, strict=False):
        variable.assign(weight)


def _describe(make: Ledger | Builder, image_size: int, options: Options) -> tuple[Any, Any]:
    film = make.film(image_size)
    x = make.rescaling(film, "rescaling", 1 / (255 * DEVIATION), -MEAN / DEVIATION)
    x = make.padless_convolution(make.pad(x, "stem_pad", 3), "stem", STEM, 7, stride=2)
    x = _normed(make, x, "stem")
    x = make.largest(make.pad(x, "pool_pad", 1), "pool", 3, stride=2)
    channels = STEM
    for stage, blocks in enumerate(STAGES, start=1):
        for block in range(1, blocks + 1):
            x = _block(make, x, f"stage{stage}_block{block}")
            channels += GROWTH
        if stage < len(STAGES):
            channels //= 2
            name = f"stage{stage}_narrow"
            x = make.convolution(_normed(make, x, name), name, channels, 1)
            x = make.halve(x, f"stage{stage}_halve", padding="valid")
    x = make.activation(make.norm(x, "top_norm", EPSILON), "features", "relu")
    x = make.dropout(make.mean(x, "mean"), "dropout", options.dropout)
    return film, make.dense(x, "pneumonia", 1, "sigmoid")


def _block(make: Ledger | Builder, x: Any, name: str) -> Any:
    """Everything so far, and GROWTH new maps made of it."""
    new = make.convolution(_normed(make, x, f"{name}_first"), f"{name}_first", 4 * GROWTH, 1)
    new = make.convolution(_normed(make, new, f"{name}_second"), f"{name}_second", GROWTH, 3)
    return make.join(x, new, f"{name}_join")


def _normed(make: Ledger | Builder, x: Any, name: str) -> Any:
    return make.activation(make.norm(x, f"{name}_norm", EPSILON), f"{name}_relu", "relu")
