"""Training runs: started, stopped, resumed, listed. Owns the format of the run folder.

workspace/runs/<name>/ holds settings.json, status.json, log.txt and lock (see jobs), split.json,
metrics.csv (a line an epoch), steps.csv (a line a while), checkpoint.json and the model it names
(the end of the last whole epoch), best.keras, card.json, report.json, and `stop` once a stop was
asked for.
"""

import csv
import dataclasses
import datetime
import itertools
import shutil
from pathlib import Path

from filelock import FileLock

from core import jobs, workspace
from core.errors import UserError
from core.jobs import Status
from core.settings import TrainSettings


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
    def has_model(self) -> bool:
        return (self.folder / "card.json").is_file() and (self.folder / "best.keras").is_file()

    @property
    def can_resume(self) -> bool:
        return self.status.state in ("interrupted", "stopped", "failed")


def runs_folder() -> Path:
    return workspace.root() / "runs"


def create(settings: TrainSettings) -> Run:
    """A new run folder under a name of its own; nothing is started."""
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
    run = Run(place, settings)
    workspace.write_json(place / "settings.json", settings.to_json())
    return run


def start(settings: TrainSettings) -> Run:
    """Creates a run and trains it in a fresh process.

    Raises UserError if another run is training: two at once would halve the speed of both.
    """
    return _launch_alone(lambda: create(settings))


def resume(name: str) -> Run:
    """Goes on from the end of the run's last whole epoch, in a fresh process. Raises UserError."""
    run = get(name)
    state = run.status.state
    if not run.can_resume:
        raise UserError(f"Run {name} is {state} and cannot be resumed.", fix="Start a new run instead.")

    def forget_stop() -> Run:
        (run.folder / "stop").unlink(missing_ok=True)
        return run

    return _launch_alone(forget_stop)


def _launch_alone(make) -> Run:
    folder = workspace.make_folder(runs_folder())
    with workspace.writing(folder), FileLock(folder / ".starting"):
        for other in running():
            raise UserError(f"Run {other.name} is training.", fix="Wait until it ends, or stop it first.")
        run = make()
        jobs.launch(run.folder, ["train", "--run", run.name])
    return run


def stop(name: str) -> Run:
    """Asks the worker to stop; it obeys within a batch and leaves a valid model. Raises UserError."""
    run = get(name)
    if not jobs.is_open(run.status):
        raise UserError(f"Run {name} is {run.status.state}: there is nothing to stop.", fix="Pick a run in progress.")
    with workspace.writing(run.folder):
        (run.folder / "stop").touch()
    return run


def stop_requested(folder: Path) -> bool:
    """True once a stop was asked for."""
    return (folder / "stop").exists()


def remove(name: str) -> None:
    """Deletes the run's folder for good. Raises UserError while it trains."""
    run = get(name)
    if jobs.is_open(run.status):
        raise UserError(f"Run {name} is training.", fix="Stop it first.")
    with workspace.writing(run.folder):
        shutil.rmtree(run.folder)


def get(name: str) -> Run:
    """The run of that name. Raises UserError if there is none or its settings cannot be read."""
    folder = runs_folder() / name
    settings = workspace.read_json(folder / "settings.json") if Path(name).name == name else None
    if not isinstance(settings, dict):
        raise UserError(f"There is no run {name!r}.", fix="`runs list` and the Runs page show what there is.")
    return Run(folder, TrainSettings.from_json(settings))


def every() -> list[Run]:
    """All runs, the newest first; a folder that holds no readable run is passed over."""
    found = []
    if runs_folder().is_dir():
        for folder in sorted(runs_folder().iterdir(), reverse=True):
            try:
                found.append(get(folder.name))
            except UserError:
                continue
    return found


def running() -> list[Run]:
    """Runs whose worker is alive."""
    return [run for run in every() if jobs.is_open(run.status)]


def with_model() -> list[Run]:
    """Runs that left a model behind, the newest first."""
    return [run for run in every() if run.has_model and not jobs.is_open(run.status)]


def read_table(path: Path) -> dict[str, list[float]]:
    """Columns of metrics.csv or steps.csv; a line that is half-written or holds no numbers is left out."""
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
