"""Settings to begin with. A new preset is one entry in PRESETS."""

import copy
import dataclasses
from typing import Any

from core.settings import TrainSettings


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named choice of settings: what it is for, and where it differs from the defaults."""

    title: str
    text: str
    changes: dict[str, Any]


PRESETS = {
    "quick": Preset(
        title="Quick look",
        text="Small films and a small network: a minute or so for a few thousand films. Good for seeing whether "
        "everything works, not for the last word on accuracy.",
        changes={"image_size": 64, "epochs": 3, "options": {"filters": (16, 32, 64), "dense_units": 64}},
    ),
    "mission": Preset(
        title="The mission's network",
        text="The simple network in full: three convolutions of 32, 64 and 128 filters and a dense layer of 512 "
        "units, on films of 150 × 150 pixels, for ten epochs.",
        changes={},
    ),
}


def apply(name: str, data: str) -> TrainSettings:
    """The settings of the preset in PRESETS, for that data set."""
    return TrainSettings(data=data, **copy.deepcopy(PRESETS[name].changes))
