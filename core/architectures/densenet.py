"""DenseNet-121 (Huang et al. 2017), the usual network for chest films since CheXNet (Rajpurkar et al. 2017).

Its ImageNet weights are Keras's own and are downloaded once, where there is a network.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from core.architectures.blueprint import Builder, Ledger, check_size, dropout_option, readings, weights_option
from core.errors import UserError
from core.settings import check

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

    weights: str = weights_option(
        "random",
        "“imagenet” begins with what a million photographs taught it: 29 MB that are downloaded once. “random” "
        "begins with nothing.",
    )
    dropout: float = dropout_option()

    def check(self, image_size: int) -> None:
        """Raises UserError if a value is out of range or the network cannot be built."""
        check(self)
        check_size(image_size, SMALLEST_FILM, TITLE)


def attribution(options: Options) -> str:
    """Whose weights it begins with."""
    return "DenseNet-121 of keras.applications, trained on ImageNet" if options.weights == "imagenet" else ""


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


def _begin(model: "keras.Model", options: Options) -> None:
    """Sets every layer up to the features to the original's weights, which come in the same order."""
    if options.weights != "imagenet":
        return
    first, *rest = [variable.numpy() for variable in _original().weights]
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


layers, build, build_for_training = readings(_describe, "densenet121", begin=_begin)
