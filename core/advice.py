"""What a careful colleague would say of settings before a run starts: warnings, time and memory."""

import dataclasses
import itertools
import math
from typing import Any

from core import architectures, machine, metrics
from core.architectures.cost import LayerCost, training_mflop
from core.settings import TrainSettings

# All measured as the peak of a whole run, saving and judging included.
# Python, TensorFlow, its graph, and what preparing left behind.
FIXED_MEMORY = 800_000_000
# Each output is kept for the way back and has a gradient; some activations keep what they made on the way as well.
COPIES_OF_OUTPUTS = {"gelu": 4.7, "silu": 2.9}
COPIES_OTHERWISE = 2.2
# Weights, gradients, the optimiser's two moments, and copies of these while a checkpoint and a model are written.
BYTES_PER_PARAMETER = 40
LARGE_LAYER = 50_000_000
SMALLEST_MAP = 3
# A filter that sees more than half of a map has hardly any place to look from.
WIDEST_KERNEL = 0.5
FEWEST_STEPS = 10
WIDE_INTERVAL = 0.05
HIGH_RATES = {"adam": 0.005, "adamw": 0.005, "rmsprop": 0.005, "sgd": 0.5}
LOW_RATES = {"adam": 1e-5, "adamw": 1e-5, "rmsprop": 1e-5, "sgd": 1e-3}
# Start of the process, first batch, calibration and the report.
SECONDS_BESIDE = 15
# Judging costs one way of the three that training goes, and reads as many films.
COST_OF_JUDGING = 0.4
# What a batch takes however small the network, and the model and checkpoint of an epoch (16 bytes a parameter).
SECONDS_A_BATCH = 0.003
PARAMETERS_SAVED_A_SECOND = 15_000_000


@dataclasses.dataclass(frozen=True)
class Advice:
    """What is unusual, and what to do. serious: the run will probably fail or teach nothing."""

    what: str
    fix: str
    serious: bool = False


def advise(settings: TrainSettings, films: int) -> list[Advice]:
    """Everything worth saying about settings that can be built, the gravest first.

    films: in the whole data set.
    """
    layers = architectures.layers_of(settings)
    found = [*_about_size(settings, layers), *_about_films(settings, films), *_about_recipe(settings)]
    return sorted(found, key=lambda advice: not advice.serious)


def _about_size(settings: TrainSettings, layers: list[LayerCost]) -> list[Advice]:
    found = _about_memory(settings)
    for layer in layers:
        if layer.parameters > LARGE_LAYER:
            found.append(
                Advice(
                    f"The layer “{layer.name}” has {layer.parameters / 1e6:,.0f} million parameters, which take "
                    f"{layer.parameters * BYTES_PER_PARAMETER / 1e9:.1f} GB to train.",
                    "Pool more, use smaller images or fewer dense units: so many weights learn films by heart.",
                )
            )
    return found + _about_maps(settings, layers)


def _about_maps(settings: TrainSettings, layers: list[LayerCost]) -> list[Advice]:
    side = [layer.shape[0] for layer in layers if len(layer.shape) == 3][-1]
    kernel = getattr(architectures.options_of(settings), "kernel_size", 1)
    looked_at = min((before.shape[0] for before, layer in itertools.pairwise(layers) if layer.kind == "Conv2D"))
    if side < SMALLEST_MAP:
        what = f"At the end only {side} × {side} points are left of a film of {settings.image_size} pixels: small"
        what += " shadows vanish."
    elif kernel > WIDEST_KERNEL * looked_at:
        what = f"The last filters look through {kernel} × {kernel} points of a map that has only {looked_at} ×"
        what += f" {looked_at}."
    else:
        return []
    return [Advice(what, "Use fewer convolutions, less pooling, a smaller kernel or larger images.")]


def _about_memory(settings: TrainSettings) -> list[Advice]:
    needed, available, total = memory_needed(settings), machine.memory_available(), machine.memory_total()
    if needed <= available:
        return []
    fix = "Use a smaller batch, smaller images, more pooling or fewer dense units."
    if needed <= total:
        fix += " Or end what else is running: the machine has more memory."
    what = f"Training will need about {needed / 1e9:.1f} GB of memory; {available / 1e9:.1f} GB are free."
    return [Advice(what, fix, serious=True)]


def _about_films(settings: TrainSettings, films: int) -> list[Advice]:
    shares = settings.validation_fraction, settings.test_fraction
    training, validation = round(films * (1 - sum(shares))), round(films * shares[0])
    found = []
    if settings.batch_size > training:
        found.append(
            Advice(
                f"A batch of {settings.batch_size} is larger than the {training:,} films to train on.",
                "Use a smaller batch: the weights move only once an epoch.",
                serious=True,
            )
        )
    elif training / settings.batch_size < FEWEST_STEPS:
        found.append(
            Advice(
                f"An epoch has only {settings.batches(training)} batches.",
                "Use a smaller batch or more epochs, so that the weights move more often.",
            )
        )
    if validation:
        interval = metrics.wilson(round(0.9 * validation), validation)
        if (interval.high - interval.low) / 2 > WIDE_INTERVAL:
            found.append(
                Advice(
                    f"About {validation:,} films will validate the training: an accuracy of 90 % could then as well be "
                    f"{interval.low:.0%} or {interval.high:.0%}.",
                    "Raise the validation share, or use more films.",
                )
            )
    return found


def _about_recipe(settings: TrainSettings) -> list[Advice]:
    found = []
    if settings.learning_rate > HIGH_RATES[settings.optimizer]:
        found.append(
            Advice(
                f"A learning rate of {settings.learning_rate:g} is high for {settings.optimizer}.",
                f"Start with {HIGH_RATES[settings.optimizer] / 5:g}; lower it if the loss does not fall.",
            )
        )
    elif settings.learning_rate < LOW_RATES[settings.optimizer]:
        found.append(
            Advice(
                f"A learning rate of {settings.learning_rate:g} is low for {settings.optimizer}: it learns slowly.",
                f"Start with {HIGH_RATES[settings.optimizer] / 5:g}; lower it if the loss does not fall.",
            )
        )
    if settings.mirror:
        found.append(
            Advice(
                "Mirrored films show the heart on the right, as in almost no child.",
                "Leave it off unless you want the network to ignore the side.",
            )
        )
    if settings.early_stopping >= settings.epochs:
        found.append(
            Advice(
                f"Early stopping waits {settings.early_stopping} epochs, and the run has {settings.epochs}: "
                "it will never act.",
                "Lower it, or set it to 0.",
            )
        )
    elif settings.early_stopping and settings.schedule == "cosine":
        found.append(
            Advice(
                "Early stopping may end the run before the cosine schedule has brought the learning rate down.",
                "Choose one of the two: the schedule earns most in its last epochs.",
            )
        )
    if settings.precision == "bfloat16" and (speedup := _bfloat16_speedup()) and speedup < 1:
        found.append(
            Advice(
                f"On this processor bfloat16 takes {1 / speedup:.1f} times as long as float32.",
                "Choose the precision “auto” or float32.",
            )
        )
    if settings.warmup_epochs >= settings.epochs:
        found.append(
            Advice(
                "The learning rate climbs during the whole run.", "Use fewer warm-up epochs than epochs, a tenth say."
            )
        )
    return found


def memory_needed(settings: TrainSettings) -> int:
    """Bytes that a worker will need at its peak, as a rule of thumb: 0.96 to 1.21 times the peak of 17 runs."""
    layers = architectures.layers_of(settings)
    parameters = sum(layer.parameters for layer in layers)
    outputs = sum(layer.values for layer in layers)
    activation = getattr(architectures.options_of(settings), "activation", "")
    copies = architectures.copies_of_outputs(settings) or COPIES_OF_OUTPUTS.get(activation, COPIES_OTHERWISE)
    width = 2 if _precision(settings) == "bfloat16" else 4
    extra = 6 * (settings.weight_averaging != "none") + 5 * (_precision(settings) == "bfloat16")
    films = max(settings.batch_size, 32)
    return int(FIXED_MEMORY + parameters * (BYTES_PER_PARAMETER + extra) + films * outputs * width * copies)


def minutes(settings: TrainSettings, films: int) -> float | None:
    """Minutes that the whole run will take on this machine; None where its speed was not measured yet.

    films: in the whole data set.
    """
    speed = _speed(settings)
    if not speed:
        return None
    layers = architectures.layers_of(settings)
    shown = films * (1 - settings.test_fraction - settings.validation_fraction)
    judged = films * settings.validation_fraction
    epoch = (shown + COST_OF_JUDGING * judged) * training_mflop(layers) / (speed * 1000)
    epoch += settings.batches(shown) * SECONDS_A_BATCH
    epoch += sum(layer.parameters for layer in layers) / PARAMETERS_SAVED_A_SECOND
    return (SECONDS_BESIDE + settings.epochs * epoch) / 60


def _speed(settings: TrainSettings) -> float | None:
    """GFLOP/s of a step, as core.probe measured it."""
    speeds = machine.measured().get("speed")
    speed = _positive(speeds.get(_precision(settings))) if isinstance(speeds, dict) else None
    return speed and speed * architectures.pace(settings)


def _precision(settings: TrainSettings) -> str:
    """What “auto” will choose, as far as that was measured."""
    if settings.precision != "auto":
        return settings.precision
    if architectures.in_float32(settings):
        return "float32"
    return "bfloat16" if (_bfloat16_speedup() or 0) >= machine.WORTHWHILE_SPEEDUP else "float32"


def _bfloat16_speedup() -> float | None:
    known = machine.measured().get("precision")
    return _positive(known.get("bfloat16_speedup")) if isinstance(known, dict) else None


def _positive(value: Any) -> float | None:
    """The number, or None for what was never measured or edited by hand into nonsense."""
    return value if isinstance(value, int | float) and math.isfinite(value) and value > 0 else None
