"""Long work in a process of its own, which outlives the tab and the server that asked for it.

A job is a folder: `lock` (held by the worker as long as it lives), `status.json` and `log.txt`. The
worker is the child of a light process, core.worker, that sees how it ends.
"""

import contextlib
import dataclasses
import fcntl
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core import workspace
from core.errors import UserError

OPEN_STATES = ("starting", "downloading", "measuring", "preparing", "training", "evaluating")
FINAL_STATES = ("finished", "stopped", "failed")
# Waits for its turn: neither at work nor at an end.
QUEUED = "queued"
START_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Status:
    """Where a job stands.

    state: QUEUED or one of OPEN_STATES or FINAL_STATES; "interrupted" is what `status` makes of an
    open state whose worker is gone. done, total: of the present stage. error, fix: why it failed, or
    what ended its worker; ours: whether the fault is the program's. started, updated: seconds since
    the epoch. details: figures of the worker's own.
    """

    state: str = "starting"
    done: int = 0
    total: int = 0
    error: str = ""
    fix: str = ""
    ours: bool = False
    started: float = 0.0
    updated: float = 0.0
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


def launch(folder: Path, arguments: list[str]) -> None:
    """Starts `python -m core.cli ARGUMENTS` as the folder's worker and waits until it holds the lock.

    Raises UserError if a worker is at work there already, or if the system refuses.
    """
    wait_for_worker(folder, begin(folder, arguments))


def begin(folder: Path, arguments: list[str]) -> subprocess.Popen:
    """Starts what `launch` does and waits for nothing; returns the process that watches over the worker."""
    workspace.make_folder(folder)
    if is_alive(folder):
        raise UserError("This work is already under way.", fix="Wait for it to end.")
    write_status(folder, Status(started=time.time()))
    with workspace.writing(folder):
        log = (folder / "log.txt").open("ab")
    with log:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.worker", str(folder), *arguments],
                cwd=workspace.PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(
                f"The system started no process: {error.strerror or error}.", fix="Close other programs and try again."
            ) from error
    # Waits for its end, so that it leaves no zombie behind.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def wait_for_worker(folder: Path, process: subprocess.Popen) -> None:
    """Returns once the worker holds the lock, or cannot any more."""
    deadline = time.monotonic() + START_SECONDS
    while not is_alive(folder) and _is_awaited(folder) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    # Had a signal ended it, its child, the worker, might still be on its way.
    if (process.poll() or 0) > 0 and _is_awaited(folder):
        fail_to_start(folder)


def _is_awaited(folder: Path) -> bool:
    found = _read_status(folder)
    return found.state == "starting" and not found.error


def fail_to_start(folder: Path) -> None:
    """Records that the worker ended before it could say anything."""
    update(folder, state="failed", error="The worker could not start.", fix="Its log says why.", ours=True)


@contextlib.contextmanager
def working(folder: Path) -> Iterator[None]:
    """Holds the folder's lock and writes down how the work ends.

    What goes wrong inside is recorded as "failed" and raised on.
    """
    workspace.make_folder(folder)
    with workspace.writing(folder):
        lock = FileLock(folder / "lock", timeout=5)
        try:
            lock.acquire()
        except Timeout:
            raise UserError("Another process is at work on this.", fix="Wait for it to end.") from None
    try:
        yield
    except BaseException as error:
        _record_failure(folder, error)
        raise
    finally:
        lock.release()


def _record_failure(folder: Path, error: BaseException) -> None:
    ours = not isinstance(error, UserError | KeyboardInterrupt)
    if isinstance(error, UserError):
        what, fix = error.what, error.fix
    elif isinstance(error, KeyboardInterrupt):
        what, fix = "The work was interrupted at the keyboard.", "Resume it or start it again."
    else:
        what = f"The work ended with an error of ours: {type(error).__name__}."
        fix = "The log says more; please report it."
        with contextlib.suppress(OSError), (folder / "log.txt").open("a") as log:
            traceback.print_exception(error, file=log)
    # A full disk may refuse this note too; the free lock then says "interrupted".
    with contextlib.suppress(UserError):
        update(folder, state="failed", error=what, fix=fix, ours=ours)


def folder_for(name: str) -> Path:
    """Where a job of that name keeps its status."""
    return workspace.root() / "jobs" / name


def is_alive(folder: Path) -> bool:
    """True while a worker holds the folder's lock."""
    # A shared probe: several viewers may ask at once and must not take each other for the worker.
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def status(folder: Path) -> Status:
    """The job's present state; an open one whose worker is gone is "interrupted"."""
    # The lock first: a worker that ends in between has then already written its last word.
    alive = is_alive(folder)
    found = _read_status(folder)
    starting = found.state == "starting" and not found.error and time.time() - found.started < START_SECONDS
    if found.state in OPEN_STATES and not alive and not starting:
        return dataclasses.replace(found, state="interrupted")
    return found


def _read_status(folder: Path) -> Status:
    """What status.json says; a field that is missing or of another type has its default."""
    stored = workspace.read_json(folder / "status.json")
    defaults = dataclasses.asdict(Status())
    if not isinstance(stored, dict) or stored.get("state") not in (QUEUED, *OPEN_STATES, *FINAL_STATES):
        return Status()
    return Status(**{name: stored[name] for name in defaults if type(stored.get(name)) is type(defaults[name])})


def is_queued(folder: Path) -> bool:
    """True while the job waits for its turn; cheaper to ask than `status`."""
    stored = workspace.read_json(folder / "status.json")
    return isinstance(stored, dict) and stored.get("state") == QUEUED


def is_open(status: Status) -> bool:
    """True while the work goes on."""
    return status.state in OPEN_STATES


def write_status(folder: Path, status: Status) -> None:
    """Replaces status.json atomically."""
    workspace.write_json(folder / "status.json", dataclasses.asdict(status))


def update(folder: Path, **changes: Any) -> None:
    """Changes some fields of the stored status."""
    write_status(folder, dataclasses.replace(_read_status(folder), **changes, updated=time.time()))


class Meter:
    """Writes progress into the status, at most every half second."""

    def __init__(self, folder: Path, state: str):
        self.folder = folder
        self.state = state
        self.written = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.written >= 0.5 or done == total:
            self.written = now
            update(self.folder, state=self.state, done=done, total=total)


def lower_priority() -> None:
    """Lets the dashboard answer first while this process works."""
    with contextlib.suppress(AttributeError, OSError):
        lowest = os.nice(19)
        # On Linux each thread has a priority of its own, and TensorFlow's threads are there already.
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), lowest)
