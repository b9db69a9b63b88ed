"""A plain convolutional network: convolution and pooling in turn, then two dense layers."""

import dataclasses
from typing import TYPE_CHECKING

from core.errors import UserError
from core.settings import check, option

if TYPE_CHECKING:
    import keras

TITLE = "Simple CNN"
ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh")
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


def build(image_size: int, options: Options) -> "keras.Model":
    """An uncompiled model: (image_size, image_size, 1) uint8 in, one sigmoid unit out."""
    import keras
    from keras import layers

    film = keras.Input((image_size, image_size, 1), dtype="uint8", name="film")
    x = layers.Rescaling(1 / 255)(film)
    for depth, filters in enumerate(options.filters, start=1):
        name = "features" if depth == len(options.filters) else f"convolution_{depth}"
        x = layers.Conv2D(filters, options.kernel_size, activation=options.activation, name=name)(x)
        x = layers.MaxPooling2D(options.pool_size)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(options.dense_units, activation=options.activation)(x)
    if options.dropout:
        x = layers.Dropout(options.dropout)(x)
    return keras.Model(film, layers.Dense(1, activation="sigmoid", dtype="float32")(x), name="simple_cnn")
