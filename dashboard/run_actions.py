"""What can be done with a run: judge, resume, repeat with changes, download, promote, delete."""

import json
from collections.abc import Sequence

import streamlit as st

from core import jobs, model_store, runs
from core.jobs import Status
from core.runs import Run
from dashboard import components, run_tables, state


def next_steps(run: Run, status: Status) -> None:
    """The row of buttons under a run that is not at work."""
    with st.container(horizontal=True):
        if run.has_model and st.button("Evaluate this run", type="primary", icon=":material/fact_check:"):
            state.open_run(run.name)
            st.switch_page("app_pages/evaluate.py")
        resume(run, status)
        duplicate(run)
        downloads(run)


def resume(run: Run, status: Status) -> None:
    """Goes on with the run where that is possible."""
    if not run.can_resume:
        return
    text = "Goes on from the end of its last whole epoch; behind the runs that wait already."
    if st.button("Resume", icon=":material/resume:", key=f"resume_{run.name}", help=text):
        with components.explained():
            runs.resume(run.name)
            state.look_again()
            watch(run.name)


def duplicate(run: Run) -> None:
    """Fills the form of a new run with this one's settings."""
    if st.button("Duplicate with changes", icon=":material/content_copy:", key=f"duplicate_{run.name}"):
        state.prefill(run.settings, "run", run.name)
        st.switch_page("app_pages/train.py")


def watch(name: str) -> None:
    """Shows the run on the Train page."""
    state.watch_run(name)
    st.switch_page("app_pages/train.py")


def downloads(run: Run) -> None:
    """Its model, curves and settings as files; read when somebody asks for them."""
    with st.popover("Download", icon=":material/download:"):
        if run.has_model:
            model = run.folder / "best.keras"
            st.download_button(
                f"Best model (.keras, {model.stat().st_size / 1e6:.1f} MB)",
                model.read_bytes,
                f"{run.name}.keras",
                on_click="ignore",
                width="stretch",
            )
        exports([run], "this run")


def exports(chosen: Sequence[Run], what: str) -> None:
    """Curves as CSV and everything as JSON."""
    name = chosen[0].name if len(chosen) == 1 else "runs"
    st.download_button(
        f"Curves of {what} (CSV)",
        lambda: run_tables.curves_csv(chosen),
        f"{name}.csv",
        "text/csv",
        key=f"csv_{what}",
        on_click="ignore",
        icon=":material/table:",
        width="stretch",
    )
    st.download_button(
        f"Settings, figures and provenance of {what} (JSON)",
        lambda: json.dumps([run_tables.as_json(run) for run in chosen], indent=1),
        f"{name}.json",
        "application/json",
        key=f"json_{what}",
        on_click="ignore",
        icon=":material/data_object:",
        width="stretch",
    )


def stop(run: Run, status: Status) -> None:
    """Stops a run at work, or takes a waiting one out of the queue."""
    queued = status.state == jobs.QUEUED
    if not queued and not jobs.is_open(status):
        return
    if st.button("Take out of the queue" if queued else "Stop", icon=":material/stop:", key=f"stop_{run.name}"):
        with components.explained():
            runs.stop(run.name)
            state.look_again()
            st.toast("It is out." if queued else "The run stops within a batch.", icon=":material/stop_circle:")
            st.rerun()


def promote(run: Run) -> None:
    """Copies its best model to the models that the Predict page offers."""
    with st.popover("Promote", icon=":material/workspace_premium:"), st.form(f"promote_form_{run.name}", border=False):
        name = st.text_input("Name of the promoted model", value=f"model-{run.name}", key=f"promote_{run.name}")
        if st.form_submit_button("Promote its best model", icon=":material/workspace_premium:"):
            with components.explained():
                model_store.promote(run.name, name)
                st.success("The Predict page offers it now.", icon=":material/check_circle:")


@st.dialog("Delete for good?")
def confirm_removal(names: list[str]) -> None:
    """Asks first: curves and model are gone then."""
    what = f"Run **{names[0]}**, its" if len(names) == 1 else f"**{len(names)} runs**, their"
    st.markdown(f"{what} curves and model will be gone. Promoted copies stay.")
    with st.container(horizontal=True):
        if st.button("Delete for good", type="primary", icon=":material/delete:"):
            with components.explained():
                for name in names:
                    runs.remove(name)
                state.look_again()
                st.rerun()
        if st.button("Keep"):
            st.rerun()
