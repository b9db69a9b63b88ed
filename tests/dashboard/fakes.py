"""Run folders written by hand: what a page shows of them needs no training."""

import contextlib
import time
from collections.abc import Iterator

import numpy as np
from filelock import FileLock

from core import jobs, run_log, runs, workspace
from core.run_log import STEP, Watched
from core.runs import Run
from core.settings import TrainSettings

FIGURES = ("loss", "accuracy", "roc_auc", "sensitivity", "specificity")
VALIDATION = {"normal": 20, "pneumonia": 40}


def fake_run(state: str, epochs: int = 3, batches: int = 5, **settings) -> Run:
    """A run of phantoms that has so many epochs of so many batches behind it."""
    run = runs.create(TrainSettings(data="phantoms:60", epochs=20, image_size=32, **settings))
    details = {}
    if epochs:
        write_curves(run, epochs, batches)
        details = {
            "epoch": epochs,
            "epochs": 20,
            "batch": 2,
            "batches": batches,
            "films_per_second": 321.0,
            "seconds_left": 90.0,
            "best_epoch": 2,
            "learning_rate": 0.001,
            "precision": "bfloat16",
            "memory": 1_500_000_000,
            "data_share": 0.1,
            "validation": VALIDATION,
            "train_films": 300,
        }
    status = jobs.Status(state, epochs * batches, 20 * batches, started=time.time() - 60, details=details)
    jobs.write_status(run.folder, status)
    (run.folder / "log.txt").write_text("".join(f"line {number}\n" for number in range(100)))
    workspace.write_json(run.folder / "provenance.json", {"processor": "a fast one"})
    return run


def write_curves(run: Run, epochs: int, batches: int) -> None:
    """metrics.csv, a record for each batch, and two watched films."""
    names = ["epoch", "learning_rate", *FIGURES, *(f"val_{name}" for name in FIGURES)]
    rows = [[epoch, 0.001, 0.6, *[0.9] * 4, 0.7, *[0.75] * 4] for epoch in range(epochs)]
    lines = [",".join(map(str, row)) for row in (names, *rows)]
    (run.folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    steps = np.zeros(epochs * batches, STEP)
    steps["step"] = np.arange(1, len(steps) + 1)
    steps["loss"] = np.linspace(0.7, 0.2, len(steps))
    (run.folder / run_log.STEPS_FILE).write_bytes(steps.tobytes())
    films, scores = np.zeros((2, 32, 32), np.uint8), np.tile([0.25, 0.75], (epochs, 1))
    run_log.write_watched(run.folder, Watched(films, np.array([0, 1]), scores))


@contextlib.contextmanager
def at_work(run: Run) -> Iterator[None]:
    """As long as this lasts, the run looks as if its worker were alive."""
    with FileLock(run.folder / "lock"):
        yield
