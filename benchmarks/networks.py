"""How fast each network trains and answers: `python -m benchmarks.networks`. Markdown tables.

Training: films a second of the step alone, batches ready in memory, by precision and by kind of norm, all turn and
turn about in one process. Answering: milliseconds for one film by the compiled call that the pages use.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.interleaved import table
from core import architectures
from core.architectures import ARCHITECTURES, fused_norm
from core.architectures.cost import training_mflop
from core.learner import Learner
from core.prediction import Predictor
from core.settings import TrainSettings

BATCH, WARM_UP = 32, 2
SIZES = {"simple_cnn": 150, "residual": 112, "efficientnet_lite": 208, "densenet": 208}
WAYS = (("float32", True), ("float32", False), ("bfloat16", True))


class Way:
    """One network in training."""

    def __init__(self, name: str, precision: str, fused: bool):
        self.name, self.precision, self.fused = name, precision, fused
        self.settings = TrainSettings(architecture=name, image_size=SIZES[name], batch_size=BATCH)
        kind = fused_norm.FusedNorm
        try:
            if not fused:
                fused_norm.FusedNorm = kind.__base__
            self.model = Learner(self.settings, precision, 0, 100, (1.0, 1.0)).model
        finally:
            fused_norm.FusedNorm = kind
        size = SIZES[name]
        self.films = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 1), np.uint8)
        self.truth = (np.arange(BATCH) % 2)[:, None].astype(np.float32)
        self.seconds: list[float] = []
        for _ in range(WARM_UP):
            self.model.train_on_batch(self.films, self.truth)

    def turn(self) -> None:
        begin = time.perf_counter()
        self.model.train_on_batch(self.films, self.truth)
        self.seconds.append(time.perf_counter() - begin)

    def row(self, first: "Way") -> list[str]:
        films = BATCH / statistics.median(self.seconds)
        ratio = statistics.median(a / b for a, b in zip(first.seconds, self.seconds, strict=True))
        gflops = films * training_mflop(architectures.layers_of(self.settings)) / 1000
        norm = "fused" if self.fused else "Keras's"
        return [self.name, str(SIZES[self.name]), self.precision, norm, f"{films:.0f}", f"{gflops:.0f}", f"{ratio:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    rows = []
    for name in ARCHITECTURES:
        ways = [Way(name, *way) for way in WAYS if name != "simple_cnn" or way[1]]
        for number in range(chosen.rounds):
            for way in ways[:: 1 if number % 2 else -1]:
                way.turn()
        rows += [way.row(ways[0]) for way in ways]
    table(["network", "pixels", "precision", "norm", "films a second", "GFLOP/s", "of the first way"], rows)
    print()
    table(
        ["network", "pixels", "one film, ms", "of 64 at once, ms a film"], [answering(name) for name in ARCHITECTURES]
    )


def answering(name: str) -> list[str]:
    """p50 of one film, and of a film among 64."""
    size, module = SIZES[name], ARCHITECTURES[name]
    card = {"image_spec": {"size": size}, "operating_point": {"threshold": 0.5}, "calibration": {"temperature": 1.0}}
    predictor = Predictor(name, card, module.build(size, module.Options()))
    times = []
    for count in (1, 64):
        films = np.zeros((count, size, size), np.uint8)
        predictor.scores(films)
        spent = []
        for _ in range(60 if count == 1 else 8):
            begin = time.perf_counter()
            predictor.scores(films)
            spent.append((time.perf_counter() - begin) / count * 1000)
        times.append(f"{statistics.median(spent):.1f}")
    return [name, str(size), *times]


if __name__ == "__main__":
    main()
