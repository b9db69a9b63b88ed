"""Set up a network, start it, watch it learn."""

import dataclasses
import time

import streamlit as st

from core import architectures, jobs, runs
from core.architectures import ARCHITECTURES
from core.errors import UserError
from core.runs import Run
from core.settings import TrainSettings
from dashboard import charts, components, state

FIGURES = ("loss", "accuracy", "roc_auc", "sensitivity", "specificity")
GROUPS = {
    "Training": ("epochs", "batch_size", "optimizer", "learning_rate", "class_weighting"),
    "Films": ("image_size", "framing", "validation_fraction", "test_fraction", "seed"),
}


def settings_form() -> None:
    source = components.chosen_data()
    if not source:
        return
    components.synthetic_badge(source.synthetic)
    architecture = st.selectbox(
        "Architecture", list(ARCHITECTURES), format_func=lambda name: ARCHITECTURES[name].TITLE, key="architecture"
    )
    fields = {field.name: field for field in dataclasses.fields(TrainSettings)}
    values, options = {}, {}
    with st.form("settings", border=False):
        columns = st.columns(3)
        for column, (title, names) in zip(columns, GROUPS.items(), strict=False):
            with column.container(border=True, height="stretch"):
                st.subheader(title)
                for name in names:
                    values[name] = components.setting_widget(fields[name], "train")
        with columns[2].container(border=True, height="stretch"):
            st.subheader("Network")
            for field in dataclasses.fields(ARCHITECTURES[architecture].Options):
                options[field.name] = components.setting_widget(field, architecture)
        begun = st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:")
    if begun:
        with components.explained():
            state.open_run(start(source.key, architecture, values, options).name)
            st.rerun()


def start(data: str, architecture: str, values: dict, options: dict) -> Run:
    chosen = TrainSettings(
        data=data, architecture=architecture, options=architectures.parsed(architecture, options), **values
    )
    architectures.options_of(chosen)
    return runs.start(chosen)


def stop(name: str) -> None:
    try:
        runs.stop(name)
    except UserError as error:
        st.toast(str(error), icon=":material/info:")


def live(run: Run, begun: bool) -> None:
    status = run.status
    if not jobs.is_open(status) or begun != has_begun(status):
        st.rerun()
    heading(run, status)
    st.caption(
        f"{state.data_name(run.settings.data)} · {run.settings.architecture}, "
        f"{run.settings.image_size} px. The run goes on if you close this page: come back whenever you like."
    )
    components.synthetic_badge(run.settings.data.startswith(state.PHANTOMS))
    progress(status)
    curves(run)


def has_begun(status: jobs.Status) -> bool:
    return status.state not in ("starting", "preparing")


def heading(run: Run, status: jobs.Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Run {run.name}", width="content")
        components.state_badge(status)
        if jobs.is_open(status):
            asked = runs.stop_requested(run.folder)
            label = "Stopping …" if asked else "Stop"
            st.button(label, icon=":material/stop:", key="stop", on_click=stop, args=(run.name,), disabled=asked)


def progress(status: jobs.Status) -> None:
    details = status.details
    if status.state == "training" and details:
        epoch, batch = st.columns(2)
        epoch.progress(status.done / status.total, text=f"Epoch {details['epoch']} of {details['epochs']}")
        batch.progress(
            details["batch"] / details["batches"], text=f"Batch {details['batch']:,} of {details['batches']:,}"
        )
        speed, left = details["films_per_second"], details["seconds_left"]
    else:
        words = {
            "starting": "Starting the training process …",
            "preparing": "Preparing films …" if status.done < status.total else "Building the network …",
            "evaluating": "Judging the best model on the validation part …",
        }
        st.progress(status.done / status.total if status.total else 0.0, text=words.get(status.state, status.state))
        speed = left = None
    with st.grid(4, min_column_width=160):
        st.metric("Films a second", f"{speed:,.0f}" if speed else "–", border=True)
        st.metric("Time left", components.ago(left) if left else "–", border=True)
        st.metric("Time so far", components.ago(time.time() - status.started), border=True)
        st.metric("Best epoch so far", details.get("best_epoch") or "–", border=True)


def curves(run: Run) -> None:
    metrics = runs.read_table(run.folder / "metrics.csv")
    steps = runs.read_table(run.folder / "steps.csv")
    with st.grid(3, min_column_width=240):
        if steps.get("step") and steps.get("loss"):
            st.altair_chart(charts.step_curve(steps), key=f"steps_{run.name}", alt="Training loss by batch")
        for name in FIGURES:
            if not {"epoch", name, f"val_{name}"} <= metrics.keys() or not metrics["epoch"]:
                continue
            alt = f"{charts.TITLES[name]} by epoch, train and validation"
            st.altair_chart(charts.epoch_curves(metrics, name), key=f"{name}_{run.name}", alt=alt)


def ended(run: Run) -> None:
    status = run.status
    heading(run, status)
    if status.error:
        components.show_error(status.error, status.fix)
    if run.has_model:
        st.success(
            f"The best model is that of epoch {status.details.get('best_epoch', '–')}. Judge it on films it never saw.",
            icon=":material/check_circle:",
        )
        st.page_link("app_pages/evaluate.py", label="Evaluate this run", icon=":material/fact_check:")
    elif status.state == "interrupted":
        components.show_error(
            "The training process is gone.", "Resume the run on the Runs page: it goes on from its last whole epoch."
        )
    components.synthetic_badge(run.settings.data.startswith(state.PHANTOMS))
    curves(run)


active = runs.running()
if active:
    state.open_run(active[0].name)
    begun = has_begun(active[0].status)
    # A visitor who has just pressed Start waits for the first sign of life.
    st.fragment(live, run_every=1.0 if begun else 0.4)(active[0], begun)
else:
    opened = next((run for run in runs.every() if run.name == state.opened_run()), None)
    if opened:
        ended(opened)
        st.header("Train another")
    settings_form()
