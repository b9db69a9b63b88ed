"""Networks to choose from. A new one is one file and one line in ARCHITECTURES.

Each has `Options`, a dataclass whose fields the Train page draws as widgets, with
`check(image_size)` that raises UserError for what cannot be built; `layers(image_size, options)`, what
each layer costs, told without building it; and `build(image_size, options)`, an uncompiled keras.Model:
(size, size, 1) uint8 in, one sigmoid unit out, its last feature map named "features". It may have
`build_for_training`, too: the same function and variables in a form that only training sees; and
`attribution(options)`, whose weights it begins with; `SLOW_IN_BFLOAT16`, true where shorter numbers slow it
down; `PACE`, operations a second as a share of the default network's; and `COPIES_OF_OUTPUTS`, how often training
holds each layer's output in memory.
"""

import dataclasses
from typing import Any

from core.architectures import densenet, efficientnet_lite, residual, simple_cnn
from core.architectures.cost import LayerCost
from core.errors import UserError
from core.settings import TrainSettings, from_values, parse

ARCHITECTURES = {
    "simple_cnn": simple_cnn,
    "residual": residual,
    "efficientnet_lite": efficientnet_lite,
    "densenet": densenet,
}


def layers_of(settings: TrainSettings) -> list[LayerCost]:
    """What each layer of the settings' network costs. Raises UserError for a network that cannot be built."""
    options = options_of(settings)
    return ARCHITECTURES[settings.architecture].layers(settings.image_size, options)


def in_float32(settings: TrainSettings) -> bool:
    """True if the settings' network is faster in float32 whatever the processor."""
    return getattr(ARCHITECTURES[settings.architecture], "SLOW_IN_BFLOAT16", False)


def attribution(settings: TrainSettings) -> str:
    """Whose weights the settings' network begins with, and their licence; "" where it begins with none."""
    tell = getattr(ARCHITECTURES[settings.architecture], "attribution", lambda options: "")
    return tell(options_of(settings))


def copies_of_outputs(settings: TrainSettings) -> float | None:
    """How often training holds every output of the settings' network in memory; None where nothing special is known."""
    return getattr(ARCHITECTURES[settings.architecture], "COPIES_OF_OUTPUTS", None)


def megabytes(settings: TrainSettings) -> float:
    """Size of the settings' model on disk, in millions of bytes."""
    return sum(layer.parameters for layer in layers_of(settings)) * 4 / 1e6


def pace(settings: TrainSettings) -> float:
    """Operations a second that the settings' network trains with, as a share of what the default one does."""
    return getattr(ARCHITECTURES[settings.architecture], "PACE", 1.0)


def options_of(settings: TrainSettings) -> Any:
    """The checked `Options` of the settings' architecture. Raises UserError."""
    if settings.architecture not in ARCHITECTURES:
        raise UserError(
            f"There is no architecture {settings.architecture!r}.", fix=f"Choose one of: {', '.join(ARCHITECTURES)}."
        )
    options = from_values(ARCHITECTURES[settings.architecture].Options, settings.options)
    options.check(settings.image_size)
    return options


def bare(options: Any) -> Any:
    """The same network for weights that come from elsewhere: nothing is loaded, or downloaded, to be overwritten."""
    return dataclasses.replace(options, weights="random") if hasattr(options, "weights") else options


def parsed(architecture: str, texts: dict[str, Any]) -> dict[str, Any]:
    """Options as entered, with lists of numbers given as text turned into numbers. Raises UserError."""
    fields = {field.name: field for field in dataclasses.fields(ARCHITECTURES[architecture].Options)}
    return {name: parse(fields[name], value) if isinstance(value, str) else value for name, value in texts.items()}
