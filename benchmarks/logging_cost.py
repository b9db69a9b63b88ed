"""What the live log costs: `python -m benchmarks.logging_cost`. Prints a Markdown table.

The mission's network with all callbacks (log, status, checkpoint, best model) against the same fit with none, in
turns, an epoch each. With CHEST_XRAY_DATA set on its films, otherwise on phantoms, in a workspace of its own, which is
deleted afterwards.
"""

import argparse
import os
import tempfile

from benchmarks.interleaved import column, interval, play, ratio, seated, table
from benchmarks.training import player, real_films

ON, OFF = "callbacks and live log on", "no callbacks"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--data", default=real_films() or "phantoms:3000")
    chosen = parser.parse_args()
    settings = {"data": chosen.data, "batch_size": chosen.batch, "precision": chosen.precision}
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        with seated([]) as players:
            players.append(player(ON, "fit", settings))
            players.append(player(OFF, "fit_without_callbacks", settings))
            found = play(players, chosen.rounds)
    report(found)


def report(found: dict[str, list[dict[str, float]]]) -> None:
    rows = []
    for figure, what in (
        ("train_films_per_second", "the batches of an epoch: the live log"),
        ("films_per_second", "with the epoch's end: checkpoint and best model, too"),
    ):
        on, off = (column(found[name], figure) for name in (ON, OFF))
        rows.append([what, f"{interval(on)}", f"{interval(off)}", f"{ratio(on, off)}"])
    table(["films a second", ON, OFF, "ratio"], rows)
    ends = interval(column(found[ON], "end"))
    print(f"\nThe end of an epoch takes {ends} s.")


if __name__ == "__main__":
    main()
