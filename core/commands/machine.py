"""The command that measures this machine."""

import argparse

from core.commands.output import progress, show
from core.commands.training import hidden


def probe(chosen: argparse.Namespace) -> None:
    """Measures how fast this machine trains; pages tell from it how long a run will take."""
    with progress(chosen, "measuring", "step") as move:
        with hidden("sklearn", "matplotlib", "pandas"):
            from core import probe as probing

        speeds = probing.probe(move)
    text = ", ".join(f"{name} {speed:,.0f} GFLOP/s" for name, speed in speeds.items())
    show(chosen, {"gflops": speeds}, f"This machine trains at: {text}.")
