"""A plain convolutional network: convolution and pooling in turn, then two dense layers."""

import dataclasses
from typing import TYPE_CHECKING

from core.architectures.cost import LayerCost
from core.errors import UserError
from core.settings import check, option

if TYPE_CHECKING:
    import keras

TITLE = "Simple CNN"
ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh")
NEVER_FALLING = ("relu", "elu", "leaky_relu", "tanh")
# Weights, gradients and Adam's two moments take 16 bytes a parameter: 4 GB.
MOST_PARAMETERS = 250_000_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Shape of the network. The defaults are Conv2D 32, 64, 128 with (2, 2) kernels and Dense 512."""

    filters: tuple[int, ...] = option(
        (32, 64, 128), "Filters", "Filters of each convolution, first to last; as many as you name.", low=1, high=1024
    )
    kernel_size: int = option(2, "Kernel size", "Side of the square each filter looks through.", low=1, high=15)
    pool_size: int = option(2, "Pool size", "Side of the square each pooling step shrinks to one.", low=1, high=8)
    activation: str = option(
        "relu", "Activation", "The bend behind each layer, without which layers add nothing.", choices=ACTIVATIONS
    )
    dense_units: int = option(
        512, "Dense units", "Units of the layer that draws the features together.", low=1, high=8192
    )
    dropout: float = option(
        0.0,
        "Dropout",
        "Share of the dense units switched off at each step, against learning by heart.",
        low=0.0,
        high=0.9,
    )

    def check(self, image_size: int) -> None:
        """Raises UserError if a value is out of range or the network cannot be built."""
        check(self)
        side = image_size
        for depth, _ in enumerate(self.filters, start=1):
            side = (side - self.kernel_size + 1) // self.pool_size
            if side < 1:
                raise UserError(
                    f"Nothing is left of a film of {image_size} pixels at convolution {depth}.",
                    fix="Use fewer filters, a smaller kernel or pool, or larger images.",
                )
        parameters = side * side * self.filters[-1] * self.dense_units
        if parameters > MOST_PARAMETERS:
            raise UserError(
                f"The dense layer would have {parameters / 1e6:,.0f} million parameters.",
                fix=f"Stay below {MOST_PARAMETERS / 1e6:,.0f} million: smaller images, more pooling or fewer units.",
            )


def layers(image_size: int, options: Options) -> list[LayerCost]:
    """Every layer that `build` makes, in order, without building it."""
    side, channels = image_size, 1
    found = [LayerCost("rescaling", "Rescaling", (side, side, 1), 0, 0.0)]
    for depth, filters in enumerate(options.filters, start=1):
        name = "features" if depth == len(options.filters) else f"convolution_{depth}"
        side -= options.kernel_size - 1
        weights = options.kernel_size**2 * channels * filters
        shape = (side, side, filters)
        found.append(LayerCost(name, "Conv2D", shape, weights + filters, 2 * weights * side * side / 1e6))
        side, channels = side // options.pool_size, filters
        found.append(LayerCost(f"pooling_{depth}", "MaxPooling2D", (side, side, filters), 0, 0.0))
    inputs = side * side * channels
    found.append(LayerCost("flatten", "Flatten", (inputs,), 0, 0.0))
    found.append(_dense("dense", inputs, options.dense_units))
    if options.dropout:
        found.append(LayerCost("dropout", "Dropout", (options.dense_units,), 0, 0.0))
    return [*found, _dense("pneumonia", options.dense_units, 1)]


def _dense(name: str, inputs: int, units: int) -> LayerCost:
    return LayerCost(name, "Dense", (units,), (inputs + 1) * units, 2 * inputs * units / 1e6)


def build(image_size: int, options: Options) -> "keras.Model":
    """An uncompiled model: (image_size, image_size, 1) uint8 in, one sigmoid unit out."""
    return _built(image_size, options, bend_last=False)


def build_for_training(image_size: int, options: Options) -> "keras.Model":
    """The same function of the film with the same variables, in the order that trains fastest.

    The largest of some values stays the largest behind a bend that never falls: pooled first, a quarter of
    the values is left to bend (benchmarks/training.md).
    """
    return _built(image_size, options, bend_last=options.activation in NEVER_FALLING)


def _built(image_size: int, options: Options, bend_last: bool) -> "keras.Model":
    import keras
    from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Rescaling

    film = keras.Input((image_size, image_size, 1), dtype="uint8", name="film")
    x = Rescaling(1 / 255, name="rescaling")(film)
    for depth, filters in enumerate(options.filters, start=1):
        name = "features" if depth == len(options.filters) else f"convolution_{depth}"
        x = Conv2D(filters, options.kernel_size, activation=None if bend_last else options.activation, name=name)(x)
        x = MaxPooling2D(options.pool_size, name=f"pooling_{depth}")(x)
        if bend_last:
            x = Activation(options.activation, name=f"bend_{depth}")(x)
    x = Flatten(name="flatten")(x)
    x = Dense(options.dense_units, activation=options.activation, name="dense")(x)
    if options.dropout:
        x = Dropout(options.dropout, name="dropout")(x)
    return keras.Model(film, Dense(1, activation="sigmoid", dtype="float32", name="pneumonia")(x), name="simple_cnn")
