"""A network described once, read twice: by `Ledger` for what it costs, by `Builder` for the network itself.

A description calls the same methods of either, in order, and hands on what they return: shapes with the
ledger, Keras tensors with the builder. So what the Train page lists is what is built.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.architectures.cost import LayerCost
from core.errors import UserError
from core.settings import option

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.9


def dropout_option() -> Any:
    """The field for how much of the last features is switched off."""
    return option(
        0.2,
        "Dropout",
        "Share of the last features switched off at each step, against learning by heart.",
        low=0.0,
        high=0.9,
    )


def weights_option(default: str, help: str) -> Any:
    """The field for the weights to begin with."""
    return option(default, "Weights to begin with", help, choices=("imagenet", "random"))


def check_size(image_size: int, smallest: int, title: str) -> None:
    """Raises UserError if nothing is left of a film at the end of the network."""
    if image_size < smallest:
        raise UserError(
            f"Nothing is left of a film of {image_size} pixels at the end of {title}.",
            fix=f"Use images of at least {smallest} pixels.",
        )


def readings(
    describe: Callable[..., tuple[Any, Any]], name: str, begin: Callable[..., None] | None = None
) -> tuple[Callable, Callable, Callable]:
    """An architecture's `layers`, `build` and `build_for_training`, from its description.

    describe: called with a Ledger or a Builder, the image size and the options; returns film and answer.
    begin: called with a network that was built and its options, sets the weights it begins with.
    """

    def layers(image_size: int, options: Any) -> list[LayerCost]:
        ledger = Ledger()
        describe(ledger, image_size, options)
        return ledger.rows

    def built(builder: "Builder", image_size: int, options: Any) -> "keras.Model":
        import keras

        model = keras.Model(*describe(builder, image_size, options), name=name)
        if begin:
            begin(model, options)
        return model

    return (
        layers,
        lambda image_size, options: built(Builder(), image_size, options),
        lambda image_size, options: built(Builder(training=True), image_size, options),
    )


class Ledger:
    """Writes a row for every layer; x is the shape that a film has there."""

    def __init__(self):
        self.rows: list[LayerCost] = []

    def _write(self, name: str, kind: str, shape: Shape, parameters: int = 0, products: int = 0) -> Shape:
        """products: multiplications, each with its addition."""
        self.rows.append(LayerCost(name, kind, shape, parameters, 2 * products / 1e6))
        return shape

    def film(self, size: int) -> Shape:
        return (size, size, 1)

    def rescaling(self, x: Shape, name: str, scale: float, offset: float) -> Shape:
        return self._write(name, "Rescaling", x)

    def convolution(self, x: Shape, name: str, filters: int, kernel: int, stride: int = 1) -> Shape:
        side, weights = -(-x[0] // stride), kernel * kernel * x[2] * filters
        return self._write(name, "Conv2D", (side, side, filters), weights, weights * side * side)

    def depthwise(self, x: Shape, name: str, kernel: int, stride: int = 1) -> Shape:
        side, weights = -(-x[0] // stride), kernel * kernel * x[2]
        return self._write(name, "DepthwiseConv2D", (side, side, x[2]), weights, weights * side * side)

    def pad(self, x: Shape, name: str, pixels: int) -> Shape:
        return self._write(name, "ZeroPadding2D", (x[0] + 2 * pixels, x[1] + 2 * pixels, x[2]))

    def padless_convolution(self, x: Shape, name: str, filters: int, kernel: int, stride: int) -> Shape:
        side, weights = (x[0] - kernel) // stride + 1, kernel * kernel * x[2] * filters
        return self._write(name, "Conv2D", (side, side, filters), weights, weights * side * side)

    def largest(self, x: Shape, name: str, kernel: int, stride: int) -> Shape:
        side = (x[0] - kernel) // stride + 1
        return self._write(name, "MaxPooling2D", (side, side, x[2]))

    def join(self, x: Shape, other: Shape, name: str) -> Shape:
        return self._write(name, "Concatenate", (*x[:2], x[2] + other[2]))

    def norm(self, x: Shape, name: str, epsilon: float = NORM_EPSILON) -> Shape:
        return self._write(name, "BatchNormalization", x, 4 * x[-1])

    def activation(self, x: Shape, name: str, kind: str) -> Shape:
        return self._write(name, "Activation", x)

    def add(self, x: Shape, other: Shape, name: str) -> Shape:
        return self._write(name, "Add", x)

    def scale(self, x: Shape, factors: Shape, name: str) -> Shape:
        return self._write(name, "Multiply", x)

    def halve(self, x: Shape, name: str, padding: str = "same") -> Shape:
        side = -(-x[0] // 2) if padding == "same" else x[0] // 2
        return self._write(name, "AveragePooling2D", (side, side, x[2]))

    def mean(self, x: Shape, name: str, keep: bool = False) -> Shape:
        return self._write(name, "GlobalAveragePooling2D", (1, 1, x[2]) if keep else (x[2],))

    def dropout(self, x: Shape, name: str, share: float) -> Shape:
        return self._write(name, "Dropout", x) if share else x

    def dense(self, x: Shape, name: str, units: int, activation: str) -> Shape:
        return self._write(name, "Dense", (*x[:-1], units), (x[-1] + 1) * units, x[-1] * units)


class Builder:
    """Makes a Keras layer for every row; x is the tensor that a film has become there.

    training: with norms that a processor trains several times as fast; only a network that is not to be
    stored may have them.
    """

    def __init__(self, training: bool = False):
        import keras

        self.layers = keras.layers
        self.norm_kind = _fused_norm() if training else keras.layers.BatchNormalization

    def film(self, size: int) -> "keras.KerasTensor":
        return self.layers.Input((size, size, 1), dtype="uint8", name="film")

    def rescaling(self, x: Any, name: str, scale: float, offset: float) -> "keras.KerasTensor":
        return self.layers.Rescaling(scale, offset, name=name)(x)

    def convolution(self, x: Any, name: str, filters: int, kernel: int, stride: int = 1) -> "keras.KerasTensor":
        layer = self.layers.Conv2D(
            filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
        )
        return layer(x)

    def depthwise(self, x: Any, name: str, kernel: int, stride: int = 1) -> "keras.KerasTensor":
        layer = self.layers.DepthwiseConv2D(
            kernel, stride, padding="same", use_bias=False, depthwise_initializer="he_normal", name=name
        )
        return layer(x)

    def pad(self, x: Any, name: str, pixels: int) -> "keras.KerasTensor":
        return self.layers.ZeroPadding2D(pixels, name=name)(x)

    def padless_convolution(self, x: Any, name: str, filters: int, kernel: int, stride: int) -> "keras.KerasTensor":
        layer = self.layers.Conv2D(filters, kernel, stride, use_bias=False, kernel_initializer="he_normal", name=name)
        return layer(x)

    def largest(self, x: Any, name: str, kernel: int, stride: int) -> "keras.KerasTensor":
        return self.layers.MaxPooling2D(kernel, stride, name=name)(x)

    def join(self, x: Any, other: Any, name: str) -> "keras.KerasTensor":
        return self.layers.Concatenate(name=name)([x, other])

    def norm(self, x: Any, name: str, epsilon: float = NORM_EPSILON) -> "keras.KerasTensor":
        return self.norm_kind(momentum=NORM_MOMENTUM, epsilon=epsilon, name=name)(x)

    def activation(self, x: Any, name: str, kind: str) -> "keras.KerasTensor":
        return self.layers.Activation(kind, name=name)(x)

    def add(self, x: Any, other: Any, name: str) -> "keras.KerasTensor":
        return self.layers.Add(name=name)([x, other])

    def scale(self, x: Any, factors: Any, name: str) -> "keras.KerasTensor":
        return self.layers.Multiply(name=name)([x, factors])

    def halve(self, x: Any, name: str, padding: str = "same") -> "keras.KerasTensor":
        return self.layers.AveragePooling2D(2, padding=padding, name=name)(x)

    def mean(self, x: Any, name: str, keep: bool = False) -> "keras.KerasTensor":
        return self.layers.GlobalAveragePooling2D(keepdims=keep, name=name)(x)

    def dropout(self, x: Any, name: str, share: float) -> "keras.KerasTensor":
        return self.layers.Dropout(share, name=name)(x) if share else x

    def dense(self, x: Any, name: str, units: int, activation: str) -> "keras.KerasTensor":
        # One number is the answer, and bfloat16 would round it to three digits.
        dtype = "float32" if units == 1 else None
        return self.layers.Dense(units, activation=activation, dtype=dtype, name=name)(x)


def _fused_norm() -> type:
    from core.architectures.fused_norm import FusedNorm

    return FusedNorm
