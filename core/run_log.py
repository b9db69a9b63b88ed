"""What a run writes while it trains, for those who watch: the loss of every batch, and a few films' scores."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from core import workspace

# loss: of that very batch. accuracy: mean since the epoch began.
STEP = np.dtype([("step", "<u4"), ("loss", "<f4"), ("accuracy", "<f4")])
STEPS_FILE, WATCHED_FILE = "steps.bin", "watched.npz"


@dataclasses.dataclass(frozen=True)
class Watched:
    """A few validation films and what the network made of them.

    films: (k, size, size) uint8. labels: (k,) of 0 and 1. scores: (epochs, k) in [0, 1], after each epoch.
    """

    films: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def append_steps(folder: Path, records: list[tuple[int, float, float]]) -> None:
    """Adds a record for every batch. Raises UserError if the disk refuses."""
    path = folder / STEPS_FILE
    with workspace.writing(path), path.open("ab") as file:
        file.write(np.array(records, STEP).tobytes())


def steps(folder: Path) -> np.ndarray:
    """A record (STEP) for every batch trained so far; none where nothing was logged."""
    try:
        return np.fromfile(folder / STEPS_FILE, STEP)
    except OSError:
        return np.empty(0, STEP)


def keep_steps(folder: Path, count: int) -> None:
    """Drops the records behind the first `count`: those batches are trained anew."""
    if (folder / STEPS_FILE).is_file():
        workspace.write_bytes(folder / STEPS_FILE, steps(folder)[:count].tobytes())


def thinned(records: np.ndarray, most: int = 600) -> dict[str, np.ndarray]:
    """At most `most` points of the loss: step, and low, mean and high of the batches since the point before."""
    starts = np.unique(np.linspace(0, len(records), min(most, len(records)), endpoint=False).astype(int))
    if not len(starts):
        return {name: np.empty(0) for name in ("step", "low", "mean", "high")}
    loss = records["loss"].astype(float)
    counts = np.diff(np.append(starts, len(records)))
    return {
        "step": records["step"][starts + counts - 1],
        "low": np.minimum.reduceat(loss, starts),
        "mean": np.add.reduceat(loss, starts) / counts,
        "high": np.maximum.reduceat(loss, starts),
    }


def write_watched(folder: Path, watched: Watched) -> None:
    """Replaces what was stored, in one step. Raises UserError if the disk refuses."""
    path = folder / WATCHED_FILE
    beside = path.with_name(f"part-{path.name}")
    with workspace.replacing(path, beside):
        np.savez(beside, **dataclasses.asdict(watched))


def watched(folder: Path) -> Watched | None:
    """The watched films with their scores so far; None where there are none."""
    try:
        with np.load(folder / WATCHED_FILE) as stored:
            return Watched(stored["films"], stored["labels"], stored["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
