"""Settings to begin with. A new preset is one entry in PRESETS."""

import copy
import dataclasses
from typing import Any

from core.settings import TrainSettings


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named choice of settings: what it is for, and where it differs from the defaults.

    measured: what came of it on the Kaggle set's chest films, see benchmarks/accuracy.md.
    """

    title: str
    text: str
    measured: str
    changes: dict[str, Any]


BEST: dict[str, Any] = {
    "architecture": "efficientnet_lite",
    "image_size": 208,
    "equalise": "clahe",
    "epochs": 6,
    "optimizer": "adamw",
    "learning_rate": 0.0007,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "class_weighting": "none",
    "label_smoothing": 0.05,
    "weight_averaging": "moving average",
    "keep": "last",
    "subtypes": True,
    "rotation": 11.0,
    "zoom": 0.25,
    "shift": 0.08,
    "stretch": 0.25,
    "mirror": True,
    "brightness": 0.2,
    "contrast": 0.5,
    "gamma": 1.2,
    "coarseness": 0.5,
    "noise": 0.02,
}
PRESETS = {
    "quick": Preset(
        title="Quick look",
        text="Small films and a small network: a minute or so for a few thousand films. Good for seeing whether "
        "everything works, not for the last word on accuracy.",
        measured="On patients kept aside 97 % of the films were called rightly. Of the normal ones 95 %, but 31 % once "
        "they were framed 15 % nearer.",
        changes={"image_size": 64, "epochs": 3, "options": {"filters": (16, 32, 64), "dense_units": 64}},
    ),
    "mission": Preset(
        title="The mission's network",
        text="The simple network in full: three convolutions of 32, 64 and 128 filters and a dense layer of 512 "
        "units, on films of 150 × 150 pixels, for ten epochs.",
        measured="On patients kept aside 97 % of the films were called rightly. Of the normal ones 96 %, but 35 % once "
        "they were framed 15 % nearer.",
        changes={},
    ),
    "best": Preset(
        title="Best on this machine",
        text="EfficientNet-Lite0, which begins with what it learnt from a million photographs, on films of even "
        "contrast and much varied, so that another exposure or framing does not mislead it. The recipe of the model "
        "that comes with the project.",
        measured="On patients kept aside 95 % of the films were called rightly. Of the normal ones 97 %, and 82 % "
        "once they were framed 15 % nearer.",
        changes=BEST,
    ),
}


def apply(name: str, data: str) -> TrainSettings:
    """The settings of the preset in PRESETS, for that data set."""
    return TrainSettings(data=data, **copy.deepcopy(PRESETS[name].changes))
