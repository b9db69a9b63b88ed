"""The only place with session_state keys and cached wrappers."""

import contextlib
import dataclasses
import hashlib
import importlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core import data, images, jobs, runs, workspace
from core.data import kaggle_hub, manifest
from core.data import prepare as preparing
from core.data.manifest import Fix
from core.data.prepare import Prepared
from core.data.sample import DataSet
from core.errors import UserError
from core.images import ImageSpec
from core.runs import Run
from core.settings import TrainSettings
from dashboard.loaded import MODELS, Status

if TYPE_CHECKING:
    from core.data.audit import Audit
    from core.prediction import Predictor

PHANTOMS = "phantoms"
WARMED = ("core.data.audit", "dashboard.curves", "core.reports", "sklearn.metrics", "scipy.stats")
# Keys of choices that outlive a page switch.
DATA, OPENED_RUN, WATCHED_RUN = "data", "run", "watched_run"
# The Train page's view, and the one it is to open with.
TRAIN_VIEW, NEXT_VIEW = "train_view", "next_view"
WATCH, NEW = "watch", "new"
# Settings on their way into the form, what the form was filled from, and which films its preview shows.
PREFILL, ORIGIN, EXAMPLES = "prefill", "origin", "examples"
SELECTED_RUNS = "selected_runs"
# The finding whose films are on show, and the table whose columns are being named.
FINDING, TABLE = "finding", "table"


def data_key() -> str:
    """The data set this visitor works with: "phantoms", a path or kaggle:OWNER/NAME."""
    return st.session_state.setdefault(DATA, PHANTOMS)


def choose_data(key: str) -> None:
    """Makes it the visitor's data set."""
    st.session_state[DATA] = key


def known_data() -> dict[str, str]:
    """{key: name} of phantoms, the films CHEST_XRAY_DATA points at, and every remembered set in reach."""
    found = {PHANTOMS: "Synthetic phantoms"}
    if given := os.environ.get("CHEST_XRAY_DATA"):
        folder = (workspace.PROJECT / given / "chest_xray").resolve()
        if workspace.is_folder(folder):
            found[str(folder)] = folder.name
    found |= {kept.key: kept.name for kept in manifest.every() if _in_reach(kept.key)}
    return found


def data_name(key: str) -> str:
    """A data set's name for menus; of one that is not remembered, the last two parts of its path."""
    if name := known_data().get(key):
        return name
    if key.split(":")[0] == PHANTOMS:
        return f"Synthetic phantoms{key.removeprefix(PHANTOMS)}"
    return "/".join(Path(key).parts[-2:])


def _in_reach(key: str) -> bool:
    if key.split(":")[0] == PHANTOMS:
        return True
    if kaggle_hub.recognises(key):
        return kaggle_hub.is_downloaded(key)
    return workspace.exists(Path(key))


def load_data(key: str) -> DataSet:
    """The data set of that key; its folder is listed anew after a minute, or when a fix changes it."""
    return _load_data(key, repr(manifest.find(key)))


@st.cache_resource(ttl="60s", max_entries=20, show_spinner=False)
def _load_data(key: str, remembered: str) -> DataSet:
    return data.load(key)


def find_prepared(source: DataSet, spec: ImageSpec) -> Prepared | None:
    """The prepared set if these very films were prepared before, else None; its tables are read once."""
    folder = preparing.folder_of(source, spec)
    if not workspace.is_folder(folder):
        return None
    try:
        return _find_prepared(folder.name, repr((source.name, source.licence, source.fixes)), source, spec)
    except LookupError:
        return None


@st.cache_resource(max_entries=4, show_spinner=False)
def _find_prepared(folder: str, remembered: str, _source: DataSet, _spec: ImageSpec) -> Prepared:
    found = preparing.find(_source, _spec)
    if found is None:
        # An exception is not cached: the films may be prepared a moment later.
        raise LookupError(folder)
    return found


@st.cache_resource(max_entries=4, show_spinner="Looking the data set over …")
def audited(folder: str, fixes: tuple[Fix, ...], _prepared: Prepared) -> "Audit":
    """The audit of a prepared set, kept until its films or fixes change."""
    from core.data.audit import audit

    return audit(_prepared)


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Imports beside the visitor's first page what the others need: SciPy and Altair take their time."""
    threading.Thread(target=lambda: list(map(importlib.import_module, WARMED)), daemon=True).start()


def preparation_folder(source: DataSet, spec: ImageSpec) -> Path:
    """Where the job that prepares this set keeps its status."""
    return _job_folder("prepare", source.key, spec)


def download_folder(key: str) -> Path:
    """Where the job that downloads this data set keeps its status."""
    return _job_folder("download", key)


def evaluation_folder(model: str, data: str, part: str) -> Path:
    """Where the job that judges this model or run keeps its status and, for a promoted model, its report."""
    return _job_folder("evaluate", model, data, part)


def robustness_folder(model: str, data: str, part: str) -> Path:
    """Where the job that judges damaged films keeps its status and, for a promoted model, what it found."""
    return _job_folder("robustness", model, data, part)


def _job_folder(kind: str, *what: object) -> Path:
    return jobs.folder_for(f"{kind}-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}")


def predictor(name: str, sha256: str) -> "Predictor":
    """The loaded model, shared by all visitors and REST; sha256 tells a changed model from the one kept."""
    if MODELS.has(name, sha256):
        return MODELS.predictor(name, sha256)
    with st.spinner("Loading the model; the first time takes a few seconds …"):
        return MODELS.predictor(name, sha256)


def model_status() -> Status:
    """How far the server is with loading the default model: ready, or not yet."""
    return MODELS.status


def opened_run() -> str | None:
    """The run that the visitor opened last, on whichever page."""
    return st.session_state.get(OPENED_RUN)


def open_run(name: str) -> None:
    """Remembers the run across pages."""
    st.session_state[OPENED_RUN] = name


def watch_run(name: str) -> None:
    """The Train page is to show this run, whichever else is at work."""
    open_run(name)
    st.session_state[WATCHED_RUN] = name
    st.session_state[NEXT_VIEW] = WATCH


def watched_run() -> str | None:
    """The run that the visitor asked the Train page for."""
    return st.session_state.get(WATCHED_RUN)


def settle_train_view() -> None:
    """Opens the Train page with the view that was asked for; before its switch is drawn."""
    if wanted := st.session_state.pop(NEXT_VIEW, None):
        st.session_state[TRAIN_VIEW] = wanted


@dataclasses.dataclass(frozen=True)
class Origin:
    """What the training form was filled from: kind "preset", "run" or "model", and its name."""

    kind: str
    name: str
    settings: TrainSettings


def prefill(settings: TrainSettings, kind: str, name: str) -> None:
    """The training form is to be filled with these settings, of a preset or a run, when it is drawn next."""
    st.session_state[PREFILL] = settings
    st.session_state[NEXT_VIEW] = NEW
    remember_origin(kind, name, settings)
    choose_data(settings.data)


def remember_origin(kind: str, name: str, settings: TrainSettings) -> None:
    """The training form holds the settings of this preset or run, until somebody changes them."""
    st.session_state[ORIGIN] = Origin(kind, name, settings)


def take_prefill() -> TrainSettings | None:
    """The settings that wait to be filled in, once."""
    return st.session_state.pop(PREFILL, None)


def origin() -> Origin | None:
    """What the training form was filled from last."""
    return st.session_state.get(ORIGIN)


def value(key: str) -> Any:
    """What a widget holds; None before it is drawn."""
    return st.session_state.get(key)


def put(key: str, value: Any) -> None:
    """Sets a widget that is not drawn yet."""
    st.session_state[key] = value


def default(key: str, value: Any) -> None:
    """What a widget holds until somebody changes it; unlike its own argument, it can be set from elsewhere."""
    st.session_state.setdefault(key, value)


def examples() -> int:
    """Which draw of films the preview shows."""
    return st.session_state.get(EXAMPLES, 0)


def other_examples() -> None:
    """The preview is to show other films."""
    st.session_state[EXAMPLES] = examples() + 1


def selected_runs() -> list[str]:
    """Names of the runs whose rows are selected on the Runs page."""
    return st.session_state.get(SELECTED_RUNS, [])


def select_runs(names: list[str]) -> None:
    """Remembers them, so that a filter or a new run loses no selection."""
    st.session_state[SELECTED_RUNS] = names


def dispatch() -> None:
    """Lets a queued run begin where there is room; every page and tick asks, once a second it is done."""
    at_work()


def at_work() -> tuple[list[Run], list[Run]]:
    """The runs that train and those that wait, at most a second old: many viewers cost no more than one."""
    return _at_work(str(workspace.root()))


def look_again() -> None:
    """The queue was changed a moment ago: `at_work` is to know."""
    _at_work.clear()


@st.cache_data(ttl=1, max_entries=4, show_spinner=False)
def _at_work(root: str) -> tuple[list[Run], list[Run]]:
    with contextlib.suppress(UserError):
        runs.dispatch()
    return runs.running(), runs.queued()


def probe_folder() -> Path:
    """Where the job that measures this machine keeps its status."""
    return _job_folder("probe")


@st.cache_data(max_entries=50, show_spinner=False)
def films_at(folder: str, rows: tuple[int, ...], spec: ImageSpec, _prepared: Prepared) -> np.ndarray:
    """Films of a prepared set in another shape than they were prepared in, if need be: (n, size, size) uint8.

    Raises UserError or OSError where one cannot be read.
    """
    if _prepared.spec == spec:
        return np.stack([_prepared.film(row) for row in rows])
    wanted = {_prepared.table["id"][row]: place for place, row in enumerate(rows)}
    found = [sample for sample in _prepared.source.samples if sample.id in wanted]
    found.sort(key=lambda sample: wanted[sample.id])
    return np.stack([images.standardise(_prepared.source.read(sample), spec) for sample in found])
