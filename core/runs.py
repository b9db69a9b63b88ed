"""Training runs: started, queued, stopped, resumed, listed. Owns the format of the run folder.

workspace/runs/<name>/ holds settings.json, status.json, log.txt and lock (see jobs), notes.json (tags
and a note), split.json, dataset.json, provenance.json, metrics.csv (a line an epoch), steps.bin (every
batch) and watched.npz (see run_log), checkpoint.json and the file it names (the end of the last whole
epoch), best.keras, last.keras, card.json, report.json, and `stop` once a stop was asked for.
"""

import contextlib
import csv
import dataclasses
import datetime
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core import jobs, run_queue, workspace
from core.errors import UserError
from core.jobs import Status
from core.settings import TrainSettings

LONGEST_TAG, LONGEST_NOTE = 40, 4000


@dataclasses.dataclass(frozen=True)
class Run:
    """One run on disk."""

    folder: Path
    settings: TrainSettings

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def status(self) -> Status:
        return jobs.status(self.folder)

    @property
    def tags(self) -> tuple[str, ...]:
        return _notes(self.folder)[0]

    @property
    def note(self) -> str:
        return _notes(self.folder)[1]

    @property
    def metrics(self) -> dict[str, list[float]]:
        """The columns of metrics.csv, a line an epoch; empty before the first epoch ends."""
        return read_table(self.folder / "metrics.csv")

    @property
    def has_model(self) -> bool:
        return (self.folder / "card.json").is_file() and (self.folder / "best.keras").is_file()

    @property
    def can_resume(self) -> bool:
        return self.status.state in ("interrupted", "stopped", "failed")


def runs_folder() -> Path:
    return workspace.root() / "runs"


def create(settings: TrainSettings) -> Run:
    """A new run folder under a name of its own; nothing is started. Raises UserError and leaves nothing behind."""
    folder = workspace.make_folder(runs_folder())
    stem = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{settings.architecture}"
    for number in itertools.count(1):
        place = folder / (stem if number == 1 else f"{stem}-{number}")
        with workspace.writing(place):
            try:
                place.mkdir()
            except FileExistsError:
                continue
        break
    with _or_nothing(place):
        workspace.write_json(place / "settings.json", settings.to_json())
    return Run(place, settings)


@contextlib.contextmanager
def _or_nothing(place: Path) -> Iterator[None]:
    """Takes the folder away again if it cannot be filled."""
    try:
        yield
    except UserError:
        shutil.rmtree(place, ignore_errors=True)
        raise


def start(settings: TrainSettings) -> Run:
    """Creates a run at the end of the queue; it trains in a fresh process as soon as its turn comes.

    Raises UserError if the disk refuses.
    """
    run_queue.most_at_once()
    run = create(settings)
    with _or_nothing(run.folder), run_queue.locked(runs_folder()):
        _enqueue(run)
    dispatch()
    return run


def resume(name: str) -> Run:
    """Puts the run at the end of the queue, to go on from the end of its last whole epoch. Raises UserError."""
    run_queue.most_at_once()
    run = get(name)
    with run_queue.locked(runs_folder()):
        if not run.can_resume:
            raise UserError(
                f"Run {name} is {run.status.state} and cannot be resumed.", fix="Start a new run like it instead."
            )
        with workspace.writing(run.folder):
            (run.folder / "stop").unlink(missing_ok=True)
        _enqueue(run)
    dispatch()
    return run


def _enqueue(run: Run) -> None:
    # The list first: should the status not be written, a name too many in the list means nothing.
    run_queue.write(runs_folder(), [*(other.name for other in queued() if other.name != run.name), run.name])
    jobs.update(run.folder, state=jobs.QUEUED, error="", fix="", ours=False, started=time.time())


def queued() -> list[Run]:
    """Runs that wait for their turn, the next one first."""
    waiting = [folder.name for folder in _folders() if jobs.is_queued(folder)]
    found = []
    for name in run_queue.ordered(runs_folder(), waiting) if waiting else ():
        # One whose settings were spoilt meanwhile is not trained: see `unreadable`.
        with contextlib.suppress(UserError):
            found.append(get(name))
    return found


def dispatch() -> None:
    """Starts queued runs while fewer than PNEUMOSCOPE_PARALLEL_RUNS (default 1) are at work.

    Anyone may call this at any time. A run that cannot be started fails, and the next has its turn.
    Raises UserError if that variable holds no whole number above 0, or the queue stays locked.
    """
    if not queued():
        return
    begun = []
    with run_queue.locked(runs_folder()):
        free = run_queue.most_at_once() - sum(_is_at_work(folder) for folder in _folders())
        for run in queued():
            if free > len(begun) and not jobs.is_alive(run.folder):
                with contextlib.suppress(UserError):
                    begun.append((run.folder, _begin(run)))
    for folder, process in begun:
        jobs.wait_for_worker(folder, process)


def _begin(run: Run) -> subprocess.Popen:
    try:
        return jobs.begin(run.folder, ["train", "--run", run.name])
    except UserError as error:
        jobs.update(run.folder, state="failed", error=error.what, fix=error.fix)
        raise


def _is_at_work(folder: Path) -> bool:
    # A worker that has written its last word holds the lock, and its memory, for a moment more.
    return jobs.is_alive(folder) or jobs.is_open(jobs.status(folder))


def move(name: str, place: int) -> None:
    """Gives a queued run another place: 0 is the next to be trained. Raises UserError if it is not queued."""
    with run_queue.locked(runs_folder()):
        names = [run.name for run in queued()]
        if name not in names:
            raise UserError(f"Run {name} is not in the queue.", fix="Only runs that wait for their turn can be moved.")
        names.remove(name)
        names.insert(max(place, 0), name)
        run_queue.write(runs_folder(), names)


def stop(name: str) -> None:
    """Takes a queued run out of the queue, or asks the worker to stop. Raises UserError.

    A worker obeys within a batch and leaves a valid model.
    """
    folder = _folder(name)
    with run_queue.locked(runs_folder()):
        state = jobs.status(folder).state
        if state == jobs.QUEUED:
            jobs.update(folder, state="stopped")
        elif state in jobs.OPEN_STATES:
            with workspace.writing(folder):
                (folder / "stop").touch()
        else:
            raise UserError(f"Run {name} is {state}: there is nothing to stop.", fix="Pick a run in progress.")


def stop_requested(folder: Path) -> bool:
    """True once a stop was asked for."""
    return (folder / "stop").exists()


def remove(name: str) -> None:
    """Deletes the run's folder for good, readable or not. Raises UserError while it trains."""
    folder = _folder(name)
    with run_queue.locked(runs_folder()):
        if jobs.is_open(jobs.status(folder)):
            raise UserError(f"Run {name} is training.", fix="Stop it first.")
        with workspace.writing(folder):
            shutil.rmtree(folder)


def annotate(name: str, tags: Sequence[str], note: str) -> Run:
    """Writes the run's tags and note anew. Raises UserError if one is too long."""
    run = get(name)
    tags = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    for tag in tags:
        if len(tag) > LONGEST_TAG or "," in tag or not tag.isprintable():
            raise UserError(
                f"{tag[:LONGEST_TAG]!r} is no tag.", fix=f"A tag is up to {LONGEST_TAG} signs long, without commas."
            )
    if len(note) > LONGEST_NOTE:
        raise UserError(f"The note is {len(note)} signs long.", fix=f"Keep it to {LONGEST_NOTE}.")
    workspace.write_json(run.folder / "notes.json", {"tags": tags, "note": note.strip()})
    return run


def _notes(folder: Path) -> tuple[tuple[str, ...], str]:
    stored = workspace.read_json(folder / "notes.json")
    tags, note = (stored.get("tags"), stored.get("note")) if isinstance(stored, dict) else (None, None)
    tags = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return tags, note if isinstance(note, str) else ""


def get(name: str) -> Run:
    """The run of that name. Raises UserError if there is none or its settings cannot be read."""
    folder = _folder(name)
    settings = workspace.read_json(folder / "settings.json")
    try:
        if not isinstance(settings, dict):
            raise UserError("settings.json is missing or holds no settings.", fix="")
        return Run(folder, TrainSettings.from_json(settings))
    except UserError as error:
        raise UserError(
            f"The settings of run {name} cannot be read: {error.what}", fix="Mend its settings.json, or delete the run."
        ) from None


def _folder(name: str) -> Path:
    """Where a run of that name lies. Raises UserError if there is none: a name is never a way out of runs/."""
    folder = runs_folder() / name
    if Path(name).name != name or name in ("", "..") or not workspace.is_folder(folder):
        raise UserError(f"There is no run {name!r}.", fix="`runs list` and the Runs page show what there is.")
    return folder


def _folders() -> list[Path]:
    """Every run's folder, the oldest first."""
    try:
        with os.scandir(runs_folder()) as found:
            return sorted(Path(entry.path) for entry in found if entry.is_dir())
    except OSError:
        return []


def every() -> list[Run]:
    """All runs, the newest first; those that `unreadable` names are passed over."""
    found = []
    for folder in reversed(_folders()):
        with contextlib.suppress(UserError):
            found.append(get(folder.name))
    return found


def unreadable() -> dict[str, UserError]:
    """Run folders whose settings cannot be read, edited by hand say, and why."""
    found = {}
    for folder in _folders():
        try:
            get(folder.name)
        except UserError as error:
            found[folder.name] = error
    return found


def running() -> list[Run]:
    """Runs whose worker is alive."""
    return [run for run in every() if jobs.is_open(run.status)]


def with_model() -> list[Run]:
    """Runs that left a model behind, the newest first."""
    return [run for run in every() if run.has_model and not jobs.is_open(run.status)]


def read_table(path: Path) -> dict[str, list[float]]:
    """Columns of a table such as metrics.csv; a line that is half-written or holds no numbers is left out."""
    try:
        with path.open(newline="", errors="replace") as file:
            rows = list(csv.reader(file))
    except (OSError, csv.Error):
        return {}
    if not rows:
        return {}
    names, *lines = rows
    whole = [line for line in lines if len(line) == len(names) and all(map(_is_number, line))]
    return {name: [float(line[column]) for line in whole] for column, name in enumerate(names)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
