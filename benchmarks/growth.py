"""Time of an epoch and the worker's memory as the data grow: `python -m benchmarks.growth`. Prints a Markdown table.

Synthetic films of 32 px and a small network, through the same code as any run. All sizes live side by side and train
an epoch in turns. The prepared films are written straight into a workspace of its own, which is deleted afterwards.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.interleaved import Player, Seat, column, interval, play, ratio, seated, table
from core import data, workspace
from core.data.prepare import COLUMNS, COMPARED, FROM_SAMPLE, folder_of
from core.data.sample import DataSet, Sample
from core.images import ImageSpec
from core.settings import TrainSettings

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
SIDE, CHUNK = 32, 10_000
SETTINGS = TrainSettings(
    data="synthetic",
    epochs=1000,
    batch_size=64,
    image_size=SIDE,
    precision="float32",
    options={"filters": [8, 16], "dense_units": 16},
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--worker", type=int, metavar="FILMS", help="is the worker for so many films")
    chosen = parser.parse_args()
    if chosen.worker:
        work(chosen.worker)
        return
    with tempfile.TemporaryDirectory() as place, seated([]) as players:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        for films in chosen.sizes:
            prepare(synthetic(films))
            players.append(Player(f"{films:,}", ["benchmarks.growth", "--worker", str(films)]))
        found = play(players, chosen.rounds)
    report(found)


def synthetic(films: int) -> DataSet:
    samples = tuple(
        Sample(id=f"{n}.png", patient=f"patient-{n // 2}", label=(n // 2) % 2, stamp="1") for n in range(films)
    )
    return DataSet(f"synthetic:{films}", "Synthetic films", True, samples, read=lambda sample: b"")


def prepare(made: DataSet) -> None:
    """Writes what `core.data.prepare` would have left of such films."""
    folder = workspace.make_folder(folder_of(made, ImageSpec(SIDE)))
    films = len(made.samples)
    random = np.random.default_rng(films)
    with (folder / "films.u8").open("wb") as out:
        for begin in range(0, films, CHUNK):
            shape = (min(CHUNK, films - begin), SIDE, SIDE)
            out.write(random.integers(0, 256, shape, np.uint8).tobytes())
    filled = {"format": "PNG", "colour": "grey", "sha256": "0" * 64, "fingerprint": "0" * 16}
    columns = {name: [filled.get(name, 0)] * films for name in (*COLUMNS, *COMPARED)}
    for name in FROM_SAMPLE:
        columns[name] = [getattr(sample, name) for sample in made.samples]
    workspace.write_json(folder / "index.json", {"table": columns, "unreadable": []})
    np.savez(
        folder / "statistics.npz",
        sums=np.zeros((2, SIDE, SIDE), np.uint32),
        counts=np.zeros((2, 256), np.int64),
        near_pairs=np.zeros((0, 2), np.int64),
    )


def work(films: int) -> None:
    from benchmarks.training_players import fit

    seat = Seat()
    data.load = lambda text: synthetic(films)
    fit(MemorySeat(seat), SETTINGS)


class MemorySeat:
    """Tells the process's memory, too, in MB: all of it, and what is its own and no file's."""

    def __init__(self, seat: Seat):
        self.seat = seat
        self.wait = seat.wait

    def tell(self, **figures: float) -> None:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        memory = {key: int(lines[name].split()[0]) / 1024 for key, name in (("rss", "VmRSS"), ("anonymous", "RssAnon"))}
        self.seat.tell(**figures, **memory)


def report(found: dict[str, list[dict[str, float]]]) -> None:
    rows = []
    smallest = next(iter(found.values()))
    for name, turns in found.items():
        seconds = [turn["train"] + turn["end"] for turn in turns]
        rows.append(
            [
                name,
                f"{interval(seconds)}",
                f"{interval(column(turns, 'films_per_second'))}",
                f"{ratio(column(turns, 'films_per_second'), column(smallest, 'films_per_second'))}",
                f"{interval(column(turns, 'rss')).value:.0f}",
                f"{interval(column(turns, 'anonymous')).value:.0f}",
                f"{turns[-1]['anonymous'] - turns[0]['anonymous']:+.0f}",
            ]
        )
    header = ["films", "s an epoch", "films a second", "over the smallest", "RSS, MB", "anonymous, MB", "first to last"]
    table(header, rows)
    print(f"\nFilms in all; 70 % of them are trained on. {SIDE} px, batch {SETTINGS.batch_size}.")


if __name__ == "__main__":
    main()
