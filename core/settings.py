"""What a training run is asked to do: typed, checked, and readable as JSON."""

import dataclasses
import math
import typing
from typing import Any, Self

from core.errors import UserError
from core.images import EQUALISATIONS, FRAMINGS, ImageSpec


def option(
    default: Any,
    label: str,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field that knows its label, its explanation and its range.

    The Train page draws its widget from this, and `check` holds values to it.
    """
    metadata = {"label": label, "help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def check(values: Any) -> None:
    """Holds every `option` of a dataclass to its type, range and choices; UserError otherwise."""
    for field in dataclasses.fields(values):
        if "label" in field.metadata:
            _check_value(field, getattr(values, field.name))


def _check_value(field: dataclasses.Field, value: Any) -> None:
    if field.type == tuple[int, ...]:
        if not value:
            raise UserError(f"{field.name} is empty.", fix="Give at least one whole number, such as 32,64,128.")
        for item in value:
            _check_number(field, item, int)
    elif choices := field.metadata["choices"]:
        if value not in choices:
            raise UserError(f"{field.name} is {value!r}.", fix=f"Choose one of: {', '.join(choices)}.")
    elif field.type is bool:
        if not isinstance(value, bool):
            raise UserError(f"{field.name} is {value!r}.", fix="Give true or false.")
    elif field.type in (int, float):
        _check_number(field, value, field.type)


def _check_number(field: dataclasses.Field, value: Any, kind: type) -> None:
    low, high = field.metadata["low"], field.metadata["high"]
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        word = "a whole number" if kind is int else "a number"
        raise UserError(f"{field.name} is {value!r}.", fix=f"Give {word} from {low:g} to {high:g}.")


def parse(field: dataclasses.Field, text: str) -> Any:
    """A value for the field from command-line text. Raises UserError if it does not read as one."""
    try:
        if field.type == tuple[int, ...]:
            return tuple(int(part) for part in text.split(","))
        if field.type is bool:
            return BOOLEANS[text.strip().lower()]
        return field.type(text)
    except (ValueError, KeyError):
        example = "32,64,128" if field.type == tuple[int, ...] else f"{field.default}"
        raise UserError(f"{field.name} is {text!r}.", fix=f"Give a value such as {example}.") from None


BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")
CLASS_WEIGHTINGS = ("none", "balanced", "sampling")
AVERAGINGS = ("none", "moving average")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that decides a run, apart from the files it reads.

    data: "phantoms" or a folder. options: the architecture's own, checked by its `Options`. start: the promoted
    model whose weights it begins with, or "".
    Raises UserError on construction if a value is out of range.
    """

    data: str = "phantoms"
    architecture: str = "simple_cnn"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    epochs: int = option(10, "Epochs", "How many times the network sees every training film.", low=1, high=1000)
    batch_size: int = option(
        32, "Batch size", "Films looked at together before the weights move once.", low=1, high=1024
    )
    image_size: int = option(
        150, "Image size (pixels)", "Every film is resized to a square of this side.", low=16, high=1024
    )
    framing: str = option(
        "stretch",
        "Framing",
        "How a film becomes a square: “stretch” as in published work, “pad” adds black borders, “crop” keeps the "
        "middle. The last two keep the proportions of the chest.",
        choices=FRAMINGS,
    )
    equalise: str = option(
        "none",
        "Equalisation",
        "“clahe” evens out the contrast of each part of a film, so that a pale film and a dark one come out alike; "
        "films to be judged pass through it too.",
        choices=EQUALISATIONS,
    )
    optimizer: str = option("adam", "Optimiser", "The rule that moves the weights.", choices=OPTIMIZERS)
    learning_rate: float = option(0.001, "Learning rate", "How far the weights move at each step.", low=1e-7, high=1.0)
    start: str = option(
        "",
        "Start from the weights of",
        "A model that is trained already and goes on from there: few films suffice. Its patients keep the part they "
        "had.",
    )
    backbone_rate: float = option(
        1.0,
        "Learning rate of the features",
        "As a share of the learning rate: how fast everything up to the last feature map moves, while the head "
        "behind it moves at the full rate. A tenth keeps what a network to start from has learnt.",
        low=0.0,
        high=1.0,
    )
    head_epochs: int = option(
        0,
        "Head first (epochs)",
        "For so many epochs only the head moves, until it has something sensible to say to the features.",
        low=0,
        high=100,
    )
    schedule: str = option(
        "constant",
        "Learning-rate schedule",
        "“cosine” lets the learning rate glide to zero over the run, “plateau” halves it whenever the validation "
        "loss has not fallen for three epochs.",
        choices=SCHEDULES,
    )
    warmup_epochs: int = option(
        0, "Warm-up epochs", "The learning rate climbs from zero over so many epochs.", low=0, high=50
    )
    class_weighting: str = option(
        "none",
        "Class weighting",
        "“balanced” lets the rarer class count more, so that both weigh the same; “sampling” shows as many films "
        "of one class as of the other.",
        choices=CLASS_WEIGHTINGS,
    )
    label_smoothing: float = option(
        0.0,
        "Label smoothing",
        "How far the labels are drawn in from 0 and 1, against being too sure of itself.",
        low=0.0,
        high=0.5,
    )
    weight_averaging: str = option(
        "none",
        "Weight averaging",
        "“moving average” judges and keeps the mean of the weights over the last hundred steps, or the last fifth of a "
        "short run, which is "
        "steadier than the last step's.",
        choices=AVERAGINGS,
    )
    keep: str = option(
        "best",
        "Epoch to keep",
        "“best” is the one with the highest validation ROC AUC; “last” chooses nothing, which suits a schedule that "
        "comes to rest.",
        choices=("best", "last"),
    )
    subtypes: bool = option(
        False,
        "Learn subtypes as well",
        "A second head learns to tell bacterial from viral pneumonia while training, where the data set knows; it is "
        "not part of the model.",
    )
    early_stopping: int = option(
        0,
        "Early stopping (epochs)",
        "Stops once the validation ROC AUC has not risen for so many epochs; 0 trains to the end.",
        low=0,
        high=1000,
    )
    precision: str = option(
        "auto",
        "Precision",
        "“bfloat16” calculates with shorter numbers, which some processors do twice as fast; “auto” uses it where "
        "it was measured to pay on this machine.",
        choices=PRECISIONS,
    )
    rotation: float = option(
        0.0, "Rotation (degrees)", "Turns each film by up to so much, anew every time.", low=0.0, high=45.0
    )
    zoom: float = option(0.0, "Zoom", "Grows or shrinks each film by up to this share.", low=0.0, high=0.5)
    shift: float = option(0.0, "Shift", "Moves each film by up to this share of its side.", low=0.0, high=0.5)
    stretch: float = option(
        0.0,
        "Stretch",
        "Makes each film wider or narrower by up to this share, as another framing would.",
        low=0.0,
        high=0.5,
    )
    mirror: bool = option(
        False, "Mirror", "Swaps left and right in half of the films; the heart then lies on the other side."
    )
    brightness: float = option(
        0.0, "Brightness", "Makes each film brighter or darker by up to this share of full white.", low=0.0, high=0.5
    )
    contrast: float = option(0.0, "Contrast", "Raises or lowers contrast by up to this share.", low=0.0, high=0.9)
    gamma: float = option(
        0.0,
        "Gamma",
        "Lightens or darkens the middle greys and leaves black and white, as another exposure would: up to so many "
        "doublings of the exponent.",
        low=0.0,
        high=2.0,
    )
    coarseness: float = option(
        0.0, "Coarseness", "Loses fine detail: shrinks by up to this share and enlarges again.", low=0.0, high=0.9
    )
    noise: float = option(
        0.0, "Noise", "Adds grain of up to this share of full white, as a standard deviation.", low=0.0, high=0.3
    )
    validation_fraction: float = option(
        0.15,
        "Validation share",
        "Share of the films, by patient, kept aside to watch the training.",
        low=0.02,
        high=0.6,
    )
    test_fraction: float = option(
        0.15,
        "Test share",
        "Share of the films, by patient, kept for the final judgement. Unused where the data set "
        "brings an official test part.",
        low=0.02,
        high=0.6,
    )
    folds: int = option(
        0,
        "Folds",
        "0 draws the validation part at random. Otherwise the patients, in the order of their numbers, are cut into "
        "so many blocks, one of which validates, and no test part is drawn.",
        low=0,
        high=20,
    )
    fold: int = option(1, "Fold that validates", "Which of the folds, counted from 1.", low=1, high=20)
    seed: int = option(0, "Seed", "Fixes every random choice, so that a run can be repeated.", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        for name, kind in (("data", str), ("architecture", str), ("options", dict), ("start", str)):
            if not isinstance(getattr(self, name), kind):
                raise UserError(f"{name} is {getattr(self, name)!r}.", fix="See the settings of another run.")
        check(self)
        if self.validation_fraction + self.test_fraction > 0.8:
            raise UserError(
                f"validation_fraction and test_fraction leave only "
                f"{1 - self.validation_fraction - self.test_fraction:.0%} of the films for training.",
                fix="Lower them: together they may take 80 % at the most.",
            )
        if self.folds == 1 or (self.folds and self.fold > self.folds):
            raise UserError(
                f"There is no fold {self.fold} of {self.folds}.",
                fix="Give two folds or more, and one of them; or 0 folds for a validation part drawn at random.",
            )
        if self.schedule == "plateau" and self.warmup_epochs:
            raise UserError(
                "A warm-up cannot be combined with the schedule “plateau”.",
                fix="Set warmup_epochs to 0, or choose the schedule cosine or constant.",
            )

    def batches(self, films: float) -> int:
        """Batches that so many films make; the last may be smaller."""
        return math.ceil(films / self.batch_size)

    @property
    def image_spec(self) -> ImageSpec:
        """How its films are brought into shape."""
        return ImageSpec(self.image_size, self.framing, self.equalise)

    def to_json(self) -> dict[str, Any]:
        """A dict that JSON can hold; `from_json` reads it back equal."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Settings from a dict. Raises UserError on an unknown name."""
        return from_values(cls, values)


T = typing.TypeVar("T")


def from_values(kind: type[T], values: dict[str, Any]) -> T:
    """An instance of a settings dataclass from plain JSON values; UserError names an unknown key."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            raise UserError(f"There is no setting {name!r}.", fix=f"Known settings: {', '.join(known)}.")
    typed = {
        name: tuple(value) if known[name].type == tuple[int, ...] and isinstance(value, list) else value
        for name, value in values.items()
    }
    return kind(**typed)
