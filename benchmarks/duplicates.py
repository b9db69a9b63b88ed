"""Growth of the search for near-duplicate films: `python -m benchmarks.duplicates`.

Needs CHEST_XRAY_DATA. Fingerprints of its films are drawn with replacement, as they are or with random bits flipped, so
that they stay as crowded as real ones; uniform ones for comparison. All sizes in turn, seven rounds. With 4 bits
flipped the answer itself grows with the square of n: there n log n is out of any search's reach.
"""

import itertools
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from core import data
from core.data import duplicates
from core.data.prepare import prepare
from core.images import ImageSpec
from tests.conftest import PROJECT

SIZES, ROUNDS = (5_000, 20_000, 80_000), 7
BY_FORCE = -1
FLIPS = {"real, as they are": 0, "real, 8 bits flipped": 8, "real, 4 bits flipped": 4}


def real_fingerprints() -> np.ndarray:
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        folder = (PROJECT / os.environ["CHEST_XRAY_DATA"] / "chest_xray").resolve()
        films = prepare(data.load(str(folder)), ImageSpec(150)).films
        return np.array([duplicates.fingerprint(film) for film in films], np.uint64)


def resampled(originals: np.ndarray, n: int, flips: int, random: np.random.Generator) -> np.ndarray:
    prints = random.choice(originals, n)
    for _ in range(flips):
        prints ^= np.uint64(1) << random.integers(0, 64, n).astype(np.uint64)
    return prints


def brute_force(prints: np.ndarray) -> int:
    """How many pairs there are, by comparing all."""
    return sum(
        int((np.bitwise_count(prints[i] ^ prints[i + 1 :]) <= duplicates.DISTANCE).sum()) for i in range(len(prints))
    )


def compared(prints: np.ndarray) -> int:
    """How many candidates the search looks at."""
    values = np.unique(prints)
    bands = duplicates.band_masks(duplicates.DISTANCE)
    return sum(
        len(left)
        for chosen in itertools.combinations(bands, duplicates.BANDS_IN_KEY)
        for left, _ in duplicates.candidates(values, np.bitwise_or.reduce(chosen))
    )


def timed(work: Callable[[np.ndarray], object], prints: np.ndarray) -> float:
    """Processor seconds: the work is one thread's, and a shared machine's other work is no part of it."""
    begin = time.thread_time()
    work(prints)
    return time.thread_time() - begin


def main() -> None:
    random = np.random.default_rng(0)
    originals = real_fingerprints()
    kinds = {kind: [resampled(originals, n, flips, random) for n in SIZES] for kind, flips in FLIPS.items()}
    kinds["uniform"] = [random.integers(0, 2**64, n, dtype=np.uint64) for n in SIZES]
    times: dict[tuple[str, int], list[float]] = {(kind, n): [] for kind in kinds for n in (*SIZES, BY_FORCE)}
    for _ in range(ROUNDS):
        for kind, sets in kinds.items():
            for n, prints in zip(SIZES, sets, strict=True):
                times[kind, n].append(timed(duplicates.near_pairs, prints))
            times[kind, BY_FORCE].append(timed(brute_force, sets[0]))
    seconds = {key: statistics.median(rounds) for key, rounds in times.items()}
    print("| fingerprints | n | processor seconds | times the smaller | n log n | pairs compared | pairs returned |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind, sets in kinds.items():
        for n, smaller, prints in zip(SIZES, (None, *SIZES), sets, strict=False):
            print(row(kind, seconds[kind, n], smaller and seconds[kind, smaller], smaller, prints))
        pairs = f"{math.comb(SIZES[0], 2):,} | {brute_force(sets[0]):,}"
        print(f"| {kind}, by brute force | {SIZES[0]:,} | {seconds[kind, BY_FORCE]:.3f} | | | {pairs} |")
    print(f"\n{len(originals):,} real fingerprints; at most {duplicates.DISTANCE} bits apart; one thread.")


def row(kind: str, seconds: float, seconds_before: float | None, smaller: int | None, prints: np.ndarray) -> str:
    n, growth = len(prints), " | "
    if smaller and seconds_before:
        growth = f"{seconds / seconds_before:.2f} | {n * math.log(n) / (smaller * math.log(smaller)):.2f}"
    pairs = f"{compared(prints):,} | {len(duplicates.near_pairs(prints)):,}"
    return f"| {kind} | {n:,} | {seconds:.3f} | {growth} | {pairs} |"


if __name__ == "__main__":
    main()
