"""The command that measures this machine."""

import argparse

from core import runs
from core.commands.output import progress, show
from core.commands.training import hidden
from core.errors import UserError


def probe(chosen: argparse.Namespace) -> None:
    """Measures how fast this machine trains; pages tell from it how long a run will take."""
    with progress(chosen, "measuring", "step") as move:
        with hidden("sklearn", "matplotlib", "pandas"):
            from core import probe as probing

        speeds = probing.probe(lambda done, total: (_give_way(), move(done, total)))
    text = ", ".join(f"{name} {speed:,.0f} GFLOP/s" for name, speed in speeds.items())
    show(chosen, {"gflops": speeds}, f"This machine trains at: {text}.")


def _give_way() -> None:
    """Two at once would slow each other, and what was measured would be too little."""
    for run in runs.running():
        raise UserError(
            f"Run {run.name} is training: nothing can be measured beside it.", fix="Measure when it has ended."
        )
