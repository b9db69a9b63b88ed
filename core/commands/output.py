"""How a command answers: text or JSON, and a bar or a status while it works."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from core import jobs

DONE, USERS_FAULT = 0, 2


def show(chosen: argparse.Namespace, value: Any, text: str) -> None:
    """Prints the value as JSON where that was asked for, else the text."""
    print(json.dumps(value) if chosen.json else text)


@contextlib.contextmanager
def progress(chosen: argparse.Namespace, state: str, unit: str = "film") -> Iterator[Any]:
    """A bar on standard error, or the status of the job that a page follows."""
    if getattr(chosen, "job", None):
        folder = jobs.folder_for(chosen.job)
        with jobs.working(folder):
            yield jobs.Meter(folder, state)
            jobs.update(folder, state="finished")
        return
    with tqdm(unit=unit, desc=state, leave=False, disable=not sys.stderr.isatty()) as bar:

        def move(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield move
