"""The command that measures this machine."""

import argparse
import contextlib

from core import runs
from core.commands.output import progress, show
from core.commands.training import hidden
from core.errors import UserError


class Beside(Exception):
    """A run trains: two at once would slow each other, and what was measured would be too little."""


def probe(chosen: argparse.Namespace) -> None:
    """Measures how fast this machine trains; pages tell from it how long a run will take.

    Raises UserError if a run trains; as a job it then ends with nothing measured.
    """
    speeds = None
    with progress(chosen, "measuring", "step") as move, contextlib.suppress(Beside):
        with hidden("sklearn", "matplotlib", "pandas"):
            from core import probe as probing

        speeds = probing.probe(lambda done, total: (_give_way(), move(done, total)))
    if speeds is None:
        raise UserError("A run is training: nothing can be measured beside it.", fix="Measure when it has ended.")
    text = ", ".join(f"{name} {speed:,.0f} GFLOP/s" for name, speed in speeds.items())
    show(chosen, {"gflops": speeds}, f"This machine trains at: {text}.")


def _give_way() -> None:
    if runs.running():
        raise Beside
