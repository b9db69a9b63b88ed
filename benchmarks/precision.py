"""Does bfloat16 learn as well as float32? `python -m benchmarks.precision`. Prints Markdown tables.

Needs CHEST_XRAY_DATA, or --data. The mission's network, trained as a user trains it, one run after the other: every
seed in both precisions, on the same split. Everything happens in a workspace of its own, which is deleted afterwards.
"""

import argparse
import os
import random
import sys
import tempfile

from benchmarks.interleaved import Interval, interval, table
from benchmarks.training import real_films
from core import jobs, runs
from core.settings import TrainSettings
from tests.helpers import wait_for

PRECISIONS = ("float32", "bfloat16")
FIGURES = ("val_roc_auc", "val_loss")
PATIENCE = 3_600


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--data", default=real_films())
    chosen = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        for seed in range(chosen.seeds):
            for precision in random.sample(PRECISIONS, 2):
                settings = TrainSettings(
                    data=chosen.data, epochs=chosen.epochs, image_size=chosen.size, precision=precision, seed=seed
                )
                found[precision].append(trained(settings))
                print(f"seed {seed}, {precision}: {found[precision][-1]}", file=sys.stderr)
    report(found)


def trained(settings: TrainSettings) -> dict[str, float]:
    """The validation figures of the run's best and last epoch; the best is the one of the highest ROC AUC."""
    run = runs.start(settings)
    status = wait_for(lambda: run.status, lambda status: status.state in jobs.FINAL_STATES, PATIENCE)
    if status.state != "finished":
        raise RuntimeError(f"The run is {status.state}: {status.error} {(run.folder / 'log.txt').read_text()[-2000:]}")
    metrics = run.metrics
    best = max(range(settings.epochs), key=metrics["val_roc_auc"].__getitem__)
    runs.remove(run.name)
    found = {}
    for word, epoch in (("best", best), ("last", settings.epochs - 1)):
        found |= {f"{word} {name}": metrics[name][epoch] for name in FIGURES}
    return found


def difference(found: dict[str, list[dict[str, float]]], figure: str) -> Interval:
    """bfloat16 less float32, seed by seed."""
    pairs = zip(*(found[precision] for precision in PRECISIONS), strict=True)
    return interval([short[figure] - long[figure] for long, short in pairs])


def report(found: dict[str, list[dict[str, float]]]) -> None:
    rows = []
    for figure in found["float32"][0]:
        each = [", ".join(f"{turn[figure]:.4f}" for turn in found[precision]) for precision in PRECISIONS]
        change = difference(found, figure)
        rows.append([figure, *each, f"{change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f})"])
    table(["validation", *(f"{name}, a figure a seed" for name in PRECISIONS), "difference, median"], rows)


if __name__ == "__main__":
    main()
