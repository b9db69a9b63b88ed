"""Speed of training the mission's network at 150 px: `python -m benchmarks.training`. Prints Markdown tables.

Ours against a bare loop of the same step, plain Keras and PyTorch, in turns, and against what the processor does at
best. --torch PYTHON names an interpreter that has PyTorch; without it those rows are left out. With CHEST_XRAY_DATA
set ours trains on its films, otherwise on as many phantoms; speed does not depend on which. Everything happens in a
workspace of its own, which is deleted afterwards.
"""

import argparse
import json
import os
import tempfile

from benchmarks.interleaved import PROJECT, Player, column, interval, play, ratio, seated, table

# Multiplications and additions of a training step for one film: forward, gradients of weights and of inputs.
GFLOP_OF_A_FILM = 0.628
MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    "MALLOC_ARENA_MAX": "1",
}
OURS, BARE, KERAS, TORCH, TORCH_MALLOC = (
    "ours: whole fit, callbacks and live log on",
    "the same step in a bare loop, batches in memory",
    "plain Keras, float32 `fit` on arrays",
    "PyTorch: channels last, bfloat16, fused Adam",
    "the same with malloc settings",
)
GOALS = {BARE: "≥ 0.95", KERAS: "≥ 2.1", TORCH: "≥ 2.5", TORCH_MALLOC: "≥ 1.1"}
CEILING = "matrix product"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has PyTorch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--only-ours", action="store_true", help="ours, the bare loop and the ceiling alone")
    parser.add_argument("--data", default=real_films() or "phantoms:3000", help="what ours trains on")
    chosen = parser.parse_args()
    if not chosen.torch:
        print("PyTorch is not measured: --torch names no interpreter.\n")
    for batch in chosen.batch:
        measure(batch, chosen)


def real_films() -> str | None:
    given = os.environ.get("CHEST_XRAY_DATA")
    return str((PROJECT / given / "chest_xray").resolve()) if given else None


def measure(batch: int, chosen: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        with seated([]) as players:
            invite(players, batch, chosen)
            found = play(players, chosen.rounds)
    report(batch, chosen, found)


def invite(players: list[Player], batch: int, chosen: argparse.Namespace) -> None:
    settings = {"data": chosen.data, "batch_size": batch, "precision": chosen.precision}
    ours = player(OURS, "fit", settings)
    players.append(ours)
    films = int(ours.greeting["films"])
    slice_ = films // 3
    players += [player(BARE, "bare", settings, slice_), player(CEILING, "ceiling", settings)]
    if chosen.only_ours:
        return
    # As many films as ours: a stall at the end of every epoch shall weigh as much as it does in life.
    players.append(player(KERAS, "plain_keras", settings, films))
    if chosen.torch:
        command = ["benchmarks.training_torch", "--batch", str(batch), "--films", str(slice_)]
        players.append(Player(TORCH, command, chosen.torch))
        players.append(Player(TORCH_MALLOC, command, chosen.torch, MALLOC))


def player(name: str, way: str, settings: dict, films: int = 0) -> Player:
    command = ["benchmarks.training_players", way, "--settings", json.dumps(settings), "--films", str(films)]
    return Player(name, command)


def report(batch: int, chosen: argparse.Namespace, found: dict[str, list[dict[str, float]]]) -> None:
    ceilings = found.pop(CEILING)
    ours = column(found[OURS], "films_per_second")
    print(f"### Batch {batch}, ours in {chosen.precision}, {chosen.rounds} rounds\n")
    rows = []
    for name, turns in found.items():
        speeds = column(turns, "films_per_second")
        against = "" if name == OURS else str(ratio(ours, speeds))
        rows.append([name, f"{interval(speeds)}", against, GOALS.get(name, "")])
    table(["way", "films a second", "ours over it", "goal"], rows)
    rows = []
    for name in (OURS, BARE):
        speeds = [speed * GFLOP_OF_A_FILM for speed in column(found[name], "films_per_second")]
        for precision in ("float32", "bfloat16"):
            best = column(ceilings, precision)
            share = ratio(speeds, best)
            rows.append([name, f"{interval(speeds)}", f"{precision} {interval(best)}", str(share)])
    print()
    table(["way", "GFLOP/s", "matrix product, GFLOP/s", "share"], rows)
    report_epoch(found)


def report_epoch(found: dict[str, list[dict[str, float]]]) -> None:
    turns = found[OURS]
    bare = column(found[BARE], "films_per_second")
    batches = ratio(column(turns, "train_films_per_second"), bare)
    parts = ", ".join(f"{name} {interval(column(turns, name))} s" for name in ("train", "validation", "end"))
    print(f"\nAn epoch of ours: {parts}. Without the end of the epoch ours is {batches} of the bare loop.\n")


if __name__ == "__main__":
    main()
