"""A small residual network (He et al. 2016) with squeeze-excite (Hu et al. 2018), to be trained from nothing.

Where a block halves the map, the way past it averages before it projects, so that no pixel is skipped
(He et al. 2019, ResNet-D).
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from core.architectures.blueprint import Builder, Ledger, dropout_option, readings
from core.errors import UserError
from core.settings import check, option

if TYPE_CHECKING:
    pass

TITLE = "Small residual network"
SQUEEZE = 8
# Measured, benchmarks/accuracy.md.
PACE = 1.4


@dataclasses.dataclass(frozen=True)
class Options:
    """Width and depth of the network."""

    filters: tuple[int, ...] = option(
        (32, 64, 128, 192),
        "Filters",
        "Filters of each stage, first to last; every stage but the first halves the map.",
        low=8,
        high=512,
    )
    blocks: int = option(1, "Blocks a stage", "Residual blocks, of two convolutions each, in a stage.", low=1, high=4)
    dropout: float = dropout_option()

    def check(self, image_size: int) -> None:
        """Raises UserError if a value is out of range or the network cannot be built."""
        check(self)
        if image_size < 2 ** len(self.filters):
            raise UserError(
                f"Nothing is left of a film of {image_size} pixels after {len(self.filters)} stages.",
                fix=f"Use fewer stages, or images of at least {2 ** len(self.filters)} pixels.",
            )


def _describe(make: Ledger | Builder, image_size: int, options: Options) -> tuple[Any, Any]:
    """The film and the answer."""
    film = make.film(image_size)
    x = make.rescaling(film, "rescaling", 1 / 128, -127 / 128)
    x = make.convolution(x, "stem", options.filters[0], 3, stride=2)
    x = make.activation(make.norm(x, "stem_norm"), "stem_relu", "relu")
    channels = options.filters[0]
    for stage, filters in enumerate(options.filters, start=1):
        for block in range(1, options.blocks + 1):
            last = stage == len(options.filters) and block == options.blocks
            end = "features" if last else f"stage{stage}_block{block}"
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(make, x, f"stage{stage}_block{block}", end, filters, stride, channels)
            channels = filters
    x = make.dropout(make.mean(x, "mean"), "dropout", options.dropout)
    return film, make.dense(x, "pneumonia", 1, "sigmoid")


def _block(make: Ledger | Builder, x: Any, name: str, end: str, filters: int, stride: int, channels: int) -> Any:
    """Two convolutions, the channels weighed by what the whole map shows, and the way past them."""
    past = make.halve(x, f"{name}_halve") if stride == 2 else x
    if channels != filters:
        past = make.norm(make.convolution(past, f"{name}_past", filters, 1), f"{name}_past_norm")
    x = make.norm(make.convolution(x, f"{name}_first", filters, 3, stride), f"{name}_first_norm")
    x = make.activation(x, f"{name}_first_relu", "relu")
    x = make.norm(make.convolution(x, f"{name}_second", filters, 3), f"{name}_second_norm")
    weights = make.dense(make.mean(x, f"{name}_squeeze", keep=True), f"{name}_narrow", filters // SQUEEZE, "relu")
    x = make.scale(x, make.dense(weights, f"{name}_excite", filters, "sigmoid"), f"{name}_weigh")
    return make.activation(make.add(x, past, f"{name}_add"), end, "relu")


layers, build, build_for_training = readings(_describe, "residual")
