"""The order in which runs that wait are trained: a list of names in a file, changed under a lock.

Whether a run waits says its own status. A run that waits and is not in the list comes last; a name in the
list that waits no more means nothing. So no crash, and no hand in the file, can lose a run or double it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from core import workspace
from core.errors import UserError

FILE = "queue.json"
LOCK_SECONDS = 20


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process or thread at a time decides what waits and what is started. Raises UserError."""
    workspace.make_folder(folder)
    with workspace.writing(folder):
        lock = FileLock(folder / "queue.lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise UserError("Another process keeps the queue locked.", fix="Try again in a minute.") from None
    try:
        yield
    finally:
        lock.release()


def ordered(folder: Path, waiting: list[str]) -> list[str]:
    """The names of the runs that wait, the next one first."""
    stored = workspace.read_json(folder / FILE)
    known = [name for name in stored if name in waiting] if isinstance(stored, list) else []
    return list(dict.fromkeys([*known, *waiting]))


def write(folder: Path, names: list[str]) -> None:
    """Replaces the list. Raises UserError if the disk refuses."""
    workspace.write_json(folder / FILE, names)


def most_at_once() -> int:
    """How many runs may train at once. Raises UserError if the environment names no whole number above 0."""
    text = os.environ.get("PNEUMOSCOPE_PARALLEL_RUNS") or "1"
    if not text.isdecimal() or not int(text):
        raise UserError(
            f"PNEUMOSCOPE_PARALLEL_RUNS is {text!r}.", fix="Give a whole number above 0, or unset it for 1."
        )
    return int(text)
