"""The only place with session_state keys and cached wrappers."""

import hashlib
import os
from pathlib import Path

import streamlit as st

from core import data, jobs, workspace
from core.data.sample import DataSet
from core.images import ImageSpec

PHANTOMS = "phantoms"
# Keys of choices that outlive a page switch.
DATA, OPENED_RUN = "data", "run"


def data_key() -> str:
    """The data set this visitor works with: "phantoms" or a folder."""
    return st.session_state.setdefault(DATA, PHANTOMS)


def choose_data(key: str) -> None:
    """Makes it the visitor's data set and remembers it for the next visit."""
    if key not in known_data():
        workspace.make_folder(workspace.root())
        workspace.write_json(_remembered(), [*_read_remembered(), key])
    st.session_state[DATA] = key


def known_data() -> list[str]:
    """Phantoms, the films CHEST_XRAY_DATA points at, and every folder chosen before that is still there."""
    keys = [PHANTOMS]
    if given := os.environ.get("CHEST_XRAY_DATA"):
        keys.append(str((workspace.PROJECT / given / "chest_xray").resolve()))
    return [
        key for key in dict.fromkeys([*keys, *_read_remembered()]) if key == PHANTOMS or workspace.is_folder(Path(key))
    ]


def _read_remembered() -> list[str]:
    found = workspace.read_json(_remembered())
    return [key for key in found if isinstance(key, str)] if isinstance(found, list) else []


def _remembered() -> Path:
    return workspace.root() / "data_sets.json"


@st.cache_resource(ttl="10s", max_entries=20, show_spinner=False)
def load_data(key: str) -> DataSet:
    """The data set of that key; its folder is listed anew after ten seconds."""
    return data.load(key)


def preparation_folder(source: DataSet, spec: ImageSpec) -> Path:
    """Where the job that prepares this set keeps its status."""
    return _job_folder("prepare", source.key, spec)


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
