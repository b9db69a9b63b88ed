"""The only place with session_state keys and cached wrappers."""

import hashlib
import importlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core import data, jobs, workspace
from core.data import kaggle_hub, manifest
from core.data import prepare as preparing
from core.data.manifest import Fix
from core.data.prepare import Prepared
from core.data.sample import DataSet
from core.images import ImageSpec

if TYPE_CHECKING:
    from core.data.audit import Audit

PHANTOMS = "phantoms"
WARMED = ("core.data.audit", "dashboard.charts", "core.reports")
# Keys of choices that outlive a page switch.
DATA, OPENED_RUN = "data", "run"
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


def evaluation_folder(run: str, part: str) -> Path:
    """Where the job that judges this run keeps its status."""
    return _job_folder("evaluate", run, part)


def _job_folder(kind: str, *what: object) -> Path:
    return jobs.folder_for(f"{kind}-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}")


@st.cache_resource(max_entries=2, show_spinner="Loading the model; the first time takes a few seconds …")
def predictor(name: str, sha256: str):
    """The loaded model, shared by all visitors; sha256 tells a changed model from the cached one."""
    from core.prediction import Predictor

    return Predictor.load(name)


def opened_run() -> str | None:
    """The run that the visitor opened last, on whichever page."""
    return st.session_state.get(OPENED_RUN)


def open_run(name: str) -> None:
    """Remembers the run across pages."""
    st.session_state[OPENED_RUN] = name
