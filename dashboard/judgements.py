"""Which judgement is on show: of which model, on which films; and how a new one is made."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core import evaluation, jobs, model_store, runs, wording
from core.data.prepare import Prepared
from core.errors import UserError
from core.evaluation import EvaluationReport
from core.model_store import StoredModel
from dashboard import caches, components, state

BROUGHT = "brought"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A report and where it lies.

    data: key of its films, or "" where they are not at hand. answers: see `core.answers`; None where they are missing.
    """

    model: StoredModel
    report: EvaluationReport
    folder: Path
    data: str
    answers: pd.DataFrame | None

    @property
    def key(self) -> str:
        """For widgets that belong to this judgement alone."""
        return f"{self.report.model}_{self.report.part}_{self.report.made}"

    def prepared(self) -> Prepared | None:
        """Its films as the model sees them, if they are at hand and unchanged."""
        if not self.data:
            return None
        found = caches.prepared_for(self.model, self.data)
        return found if found and caches.films_hash(found) == self.report.films_hash else None


def _names() -> list[str]:
    """Every model there is: those promoted, then those of runs."""
    promoted = [model.name for model in model_store.promoted()]
    return promoted + [run.name for run in runs.with_model() if run.name not in promoted]


def pick_model() -> StoredModel | None:
    """The menu of every model there is; None where there is none."""
    names = _names()
    if not names:
        st.info("There is no trained model yet.", icon=":material/fact_check:")
        st.page_link("app_pages/train.py", label="Train one", icon=":material/model_training:")
        return None
    opened = state.opened_run()
    name = st.selectbox(
        "Model",
        names,
        index=names.index(opened) if opened in names else 0,
        key="evaluate_model",
        help="Promoted models first, then those of runs.",
    )
    model = model_store.find(name)
    if model.file.parent.parent == runs.runs_folder():
        state.open_run(name)
    return model


def own_data(model: StoredModel) -> str:
    """The key of the data set a run was trained on; "" for a promoted model, whose card names no place."""
    is_run = model.file.parent.parent == runs.runs_folder()
    return runs.get(model.name).settings.data if is_run else ""


def pick_films(model: StoredModel) -> str:
    """The films to judge on: BROUGHT for what came with a promoted model, else a data set's key."""
    own, current = own_data(model), state.data_key()
    known = {current: state.data_name(current)} | state.known_data()
    labels = {own: f"{state.data_name(own)} (its own)"} if own else {}
    if not own and evaluation.written_parts(model.file.parent):
        labels[BROUGHT] = f"{model.card['data']['name']} (came with the model)"
    labels |= {key: name for key, name in known.items() if key not in labels}
    return st.selectbox("Films", list(labels), format_func=labels.get, key=f"evaluate_films_{model.name}")


def pick_part(parts: Sequence[str]) -> str:
    """One of the parts, with what it is."""
    part = parts[0]
    if len(parts) > 1:
        part = st.segmented_control(
            "Part", parts, default=parts[0], format_func=str.capitalize, required=True, key=f"evaluate_part_{parts[0]}"
        )
    st.caption(f"{part.capitalize()}: {wording.PARTS[part]}.")
    return part


def opened() -> Judgement | None:
    """The judgement that the menus name; None, with what to do about it, where there is none yet."""
    left, right = st.columns(2)
    with left:
        model = pick_model()
    if not model:
        return None
    with right:
        films = pick_films(model)
    if films == BROUGHT:
        part = pick_part(evaluation.written_parts(model.file.parent))
        folder, key = model.file.parent, caches.home_of(model)
    else:
        own = films == own_data(model)
        part = pick_part(("validation", "test") if own else ("all", "test"))
        # By its hash: another model may bear the name tomorrow.
        job = state.evaluation_folder(model.name if own else model.card["sha256"], films, part)
        folder, key = model.file.parent if own else job, films
    report = caches.report(folder, part)
    if report:
        return Judgement(model, report, folder, key, caches.answers(folder, report))
    if films == BROUGHT:
        components.show_error(
            "This report was written by an earlier version and cannot be shown.", "Judge the model on a data set."
        )
    else:
        _judge(model.name, films, part, job)
        if evaluation.outdated(folder, part):
            st.caption("There is a report of an earlier version, which cannot be shown: judge again.")
    return None


def _judge(name: str, data: str, part: str, folder: Path) -> None:
    """Has the model judged on that part of the data set by a job in the folder, and shows how far it is."""
    if not jobs.is_alive(folder):
        text = "The test part has not been looked at yet. Look once, when every choice is made."
        st.info(text if part == "test" else "Not judged on these films yet.", icon=":material/lock:")
    command = ["evaluate", "--model", name, "--data", data, "--split", part]
    button = f"Evaluate on {'all films' if part == 'all' else f'the {part} part'}"
    components.offer_job(folder, command, button, "Judging", ":material/gavel:")


def others(judgement: Judgement) -> dict[str, Judgement]:
    """What other models answered to films of the same data set, by model and, where it is another, the part."""
    found = {}
    for name in _names():
        if name == judgement.model.name:
            continue
        try:
            model = model_store.find(name)
        except UserError:
            continue
        places = [(model.file.parent, None)]
        if judgement.data:
            places += [(state.evaluation_folder(model.card["sha256"], judgement.data, p), p) for p in ("all", "test")]
        for folder, only in places:
            for part, report in caches.reports(folder).items():
                same = report.films_hash == judgement.report.films_hash and only in (None, part)
                table = caches.answers(folder, report) if same else None
                if table is not None:
                    label = name if part == judgement.report.part else f"{name} ({part})"
                    found[label] = Judgement(model, report, folder, judgement.data, table)
    return found


def judge_another(judgement: Judgement, known: Collection[str]) -> None:
    """Has another model judged on the same films, so that it can be compared."""
    part = judgement.report.part
    names = [name for name in _names() if name != judgement.model.name and name not in known]
    if not judgement.data or part not in evaluation.PARTS or not names:
        return
    with st.expander("Judge another model on these films", icon=":material/gavel:"):
        name = st.selectbox("Model to judge", names, key="compare_judge")
        model = model_store.find(name)
        own = judgement.data == own_data(model)
        # What a run is judged on by itself is chosen as its menu would choose it.
        wanted = part if own or part != "validation" else "all"
        folder = state.evaluation_folder(name if own else model.card["sha256"], judgement.data, wanted)
        _judge(name, judgement.data, wanted, folder)
