"""Several ways of doing the same, measured in turns: each in a process that lives on, only one of them at work.

Needs nothing but Python, so that a way may run under an interpreter of its own.
"""

import contextlib
import dataclasses
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RESAMPLES = 5_000


class Player:
    """A process that is silent until it is its turn, then answers with its figures.

    command: a Python module and its arguments. interpreter, environment: what it runs under.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        interpreter: str = sys.executable,
        environment: dict[str, str] | None = None,
    ):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by stop
        self.process = subprocess.Popen(
            [interpreter, "-m", *command],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.greeting = self._answer()

    def turn(self) -> dict[str, float]:
        """What the process measured of one turn. Raises RuntimeError if it died."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.log.close()

    def _answer(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(f"{self.name} ended too soon:\n{self.log.read()[-3000:]}")
        return json.loads(line)


class Seat:
    """A player's side of the table. What it prints otherwise goes to its log."""

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        # Runs give way to the dashboard; here all are equally polite.
        os.nice(10)

    def tell(self, **figures: float) -> None:
        self.out.write(json.dumps(figures) + "\n")
        self.out.flush()

    def wait(self) -> None:
        """Returns when it is this player's turn; ends the process when the game is over."""
        if not sys.stdin.readline():
            os._exit(0)

    def serve(self, work: Callable[[], dict[str, float]]) -> None:
        """Plays turns of `work` until the game is over."""
        self.tell(ready=1)
        while True:
            self.wait()
            self.tell(**work())


@contextlib.contextmanager
def seated(players: list[Player]) -> Iterator[list[Player]]:
    """Ends all of them, also when one fails."""
    try:
        yield players
    finally:
        for player in players:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                player.stop()


def play(players: list[Player], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every player's figures, one of each round; the order changes from round to round."""
    found: dict[str, list[dict[str, float]]] = {player.name: [] for player in players}
    for number in range(rounds):
        for player in random.sample(players, len(players)):
            found[player.name].append(player.turn())
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def column(turns: list[dict[str, float]], name: str) -> list[float]:
    return [turn[name] for turn in turns]


@dataclasses.dataclass(frozen=True)
class Interval:
    """value: a median; low, high: where 95 % of bootstrap medians lie."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{short(self.value)} ({short(self.low)} to {short(self.high)})"


def short(figure: float) -> str:
    """Three digits that matter, thousands written out."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def interval(figures: list[float]) -> Interval:
    """The median, its interval by drawing again with replacement."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(figures, k=len(figures))) for _ in range(RESAMPLES))
    return Interval(statistics.median(figures), medians[RESAMPLES // 40], medians[-RESAMPLES // 40])


def ratio(these: list[float], those: list[float]) -> Interval:
    """Median of these/those, paired by round."""
    return interval([this / that for this, that in zip(these, those, strict=True)])


def timed(step: Callable[[int], object], steps: int, films: int) -> dict[str, float]:
    """Films a second of so many calls of `step(number)`, each of so many films."""
    begin = time.perf_counter()
    for number in range(steps):
        step(number)
    return {"films_per_second": steps * films / (time.perf_counter() - begin)}


def table(header: list[str], rows: list[list[str]]) -> None:
    """Prints a Markdown table."""
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
