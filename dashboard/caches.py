"""What pages read of judgements, read once: beside `dashboard.state` the only cached wrappers."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core import runs
from core.data import card
from core.data.prepare import Prepared
from core.errors import UserError
from core.images import ImageSpec
from core.model_store import StoredModel
from dashboard import state

if TYPE_CHECKING:
    import pandas as pd

    from core.evaluation import EvaluationReport
    from core.lineup import Entry, Lineup
    from core.reports.document import Example
    from core.robustness import Robustness


def report(folder: Path, part: str) -> "EvaluationReport | None":
    """The folder's report on that part, read once until it is written anew."""
    return reports(folder).get(part)


def reports(folder: Path) -> dict[str, "EvaluationReport"]:
    """All of the folder's reports by part, read once until one is written anew."""
    changed = _changed(folder / "report.json")
    return _reports(str(folder), changed) if changed else {}


@st.cache_resource(max_entries=64, show_spinner=False)
def _reports(folder: str, changed: int) -> dict[str, "EvaluationReport"]:
    from core import evaluation

    return evaluation.stored(Path(folder))


def answers(folder: Path, report: "EvaluationReport") -> "pd.DataFrame | None":
    """What was said of each film of a stored report, read once; None where it is missing."""
    from core.answers import file_of

    return _answers(str(folder), _changed(file_of(folder, report.part)), report.part, report)


@st.cache_resource(max_entries=16, show_spinner=False)
def _answers(folder: str, changed: int, part: str, _report: "EvaluationReport") -> "pd.DataFrame | None":
    from core import evaluation

    return evaluation.answers_of(Path(folder), _report)


def robustness(folder: Path, part: str) -> "Robustness | None":
    """The figures of damaged films that lie in a folder, read once until they are made anew."""
    from core.robustness import file_of

    return _robustness(str(folder), _changed(file_of(folder, part)), part)


@st.cache_resource(max_entries=16, show_spinner=False)
def _robustness(folder: str, changed: int, part: str) -> "Robustness | None":
    from core import robustness

    return robustness.stored(Path(folder), part)


@st.cache_resource(max_entries=8, show_spinner="Holding the models against each other …")
def lineup(made: tuple[tuple[str, str], ...], _entries: "dict[str, Entry]") -> "Lineup":
    """Models side by side. made: of each its name and when it was judged. Raises UserError, see `core.lineup`."""
    from core import lineup

    return lineup.of(_entries)


@st.cache_resource(max_entries=4, show_spinner="Choosing films for the report …")
def examples(model: str, sha256: str, made: str, _report: "EvaluationReport", _prepared: Prepared) -> "list[Example]":
    """Single films for the report on a judgement of that model that was made then. _report: with its answers."""
    from core.reports import examples

    predictor = state.predictor(model, sha256)
    return examples.of(predictor, _prepared, _report.answers, _report.threshold)


def _changed(file: Path) -> int:
    """When the file was written, in nanoseconds; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def home_of(model: StoredModel) -> str:
    """The data set that a model was made from, if it is known here: a run's own, else by name or films; else ""."""
    if model.file.parent.parent == runs.runs_folder():
        return runs.get(model.name).settings.data
    data = model.card["data"]
    for key, name in state.known_data().items():
        if name == data["name"]:
            return key
        found = prepared_for(model, key)
        if found and films_hash(found) == data["sha256"]["films"]:
            return key
    return ""


def prepared_for(model: StoredModel, key: str) -> Prepared | None:
    """The films of that data set as the model sees them, where they are prepared."""
    try:
        return state.find_prepared(state.load_data(key), ImageSpec(**model.card["image_spec"]))
    except UserError:
        return None


def films_hash(prepared: Prepared) -> str:
    """The hash of a prepared set's films, see `core.data.card`."""
    return _films_hash(str(prepared.folder), prepared)


@st.cache_data(max_entries=20, show_spinner=False)
def _films_hash(folder: str, _prepared: Prepared) -> str:
    return card.hash_of(_prepared.table)


@st.cache_data(max_entries=20, show_spinner="Looking where the network looked …")
def heatmaps(model: str, sha256: str, films_hash: str, rows: tuple[int, ...], _films: np.ndarray) -> np.ndarray:
    """Where the network looked for its answer to these rows of a prepared set: (n, size, size) in [0, 1]."""
    predictor = state.predictor(model, sha256)
    return predictor.heatmaps(_films, predictor.probabilities(_films))
