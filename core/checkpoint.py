"""The end of a run's last whole epoch: everything that the next one depends on, written in one step.

checkpoint.json says how far the run is, which epoch was best, what the callbacks remember, and names
the file of weights: the model's variables (seeds of its random layers among them) and the optimiser's,
as numpy.save writes them, one after the other. Keras's own file takes twice as long to write.
"""

import numbers
from pathlib import Path
from typing import Any

import keras
import numpy as np

from core import workspace
from core.errors import UserError

FILE = "checkpoint.json"
FRESH = {"epochs_done": 0, "best": None, "best_epoch": 0, "callbacks": {}}


def read(folder: Path) -> dict[str, Any]:
    """How far the run is; that of a fresh run where nothing was written. Raises UserError if it was damaged."""
    if not (folder / FILE).is_file():
        return dict(FRESH)
    stored = workspace.read_json(folder / FILE)
    if not isinstance(stored, dict) or not stored.keys() >= FRESH.keys() | {"file"}:
        raise _damaged()
    return stored


def snapshot(model: keras.Model, into: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """Copies of the compiled model's and the optimiser's variables, as they are now.

    into: an earlier snapshot to overwrite; new memory for each would take ten times as long.
    """
    variables = _variables(model)
    arrays = into or [np.empty(variable.shape, variable.dtype) for variable in variables]
    for array, variable in zip(arrays, variables, strict=True):
        # Straight from TensorFlow's memory: numpy() would copy it first.
        np.copyto(array, np.asarray(memoryview(variable.value.read_value())))
    return arrays


def memory_of(callbacks: list) -> dict[str, dict[str, Any]]:
    """What the callbacks would have to know again."""
    return {type(callback).__name__: _plain_state(callback) for callback in callbacks}


def write(folder: Path, arrays: list[np.ndarray], state: dict[str, Any]) -> None:
    """Writes the snapshot, then the JSON that names its file. Raises UserError if the disk refuses.

    state: epochs_done, best, best_epoch and callbacks.
    """
    name = f"checkpoint-{state['epochs_done']}.bin"
    beside = folder / f"{name}.part"
    with workspace.replacing(folder / name, beside), beside.open("wb") as file:
        for array in arrays:
            np.save(file, array)
    workspace.write_json(folder / FILE, state | {"file": name})
    for older in folder.glob("checkpoint-*"):
        if older.name != name:
            older.unlink(missing_ok=True)


def restore(folder: Path, model: keras.Model, stored: dict[str, Any]) -> None:
    """Sets the compiled model's and the optimiser's variables. Raises UserError if the file does not fit."""
    model.optimizer.build(model.trainable_variables)
    try:
        with (folder / stored["file"]).open("rb") as file:
            for variable in _variables(model):
                variable.assign(np.load(file))
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise _damaged() from error


def restore_callbacks(callbacks: list, stored: dict[str, Any]) -> None:
    """Gives each callback its memory back. To be called when all of them have seen on_train_begin, which clears it."""
    for callback in callbacks:
        for name, value in stored["callbacks"].get(type(callback).__name__, {}).items():
            setattr(callback, name, value)


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _plain_state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Counters, bests and flags: whatever JSON can hold of a callback's attributes."""
    found = {}
    for name, value in vars(callback).items():
        if isinstance(value, bool | str | None):
            found[name] = value
        elif isinstance(value, numbers.Number):
            found[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return found


def _damaged() -> UserError:
    return UserError(
        "The checkpoint of this run is damaged or does not fit its settings: it cannot be resumed.",
        fix="Start a new run with the same settings: `train --like RUN`, or Duplicate on the Runs page.",
    )
