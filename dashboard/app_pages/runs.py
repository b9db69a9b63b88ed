"""Every run: open it, resume it, promote its model, delete it."""

import datetime

import pandas as pd
import streamlit as st

from core import evaluation, jobs, model_store, runs
from core.runs import Run
from dashboard import components, state


def table(found: list[Run]) -> None:
    rows = []
    for run in found:
        status, report = run.status, evaluation.stored(run.folder).get("validation")
        rows.append(
            {
                "Run": run.name,
                "State": components.STATE_BADGES[status.state][0],
                "Data set": state.data_name(run.settings.data),
                "Started": datetime.datetime.fromtimestamp(status.started),
                "Epochs": f"{status.details.get('epoch', 0)} of {run.settings.epochs}",
                "Validation ROC AUC": report.metrics["roc_auc"].value if report else None,
                "Image size": run.settings.image_size,
                "Learning rate": run.settings.learning_rate,
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="All training runs",
        column_config={
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Validation ROC AUC": st.column_config.NumberColumn(format="%.3f"),
        },
    )


def actions(run: Run) -> None:
    status = run.status
    components.state_badge(status)
    if status.error:
        components.show_error(status.error, status.fix)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("Open its curves", icon=":material/open_in_new:"):
            state.open_run(run.name)
            st.switch_page("app_pages/train.py")
        if run.can_resume and st.button("Resume", icon=":material/resume:"):
            with components.explained():
                runs.resume(run.name)
                st.switch_page("app_pages/train.py")
        if jobs.is_open(status):
            if st.button("Stop", icon=":material/stop:"):
                with components.explained():
                    runs.stop(run.name)
                    st.toast("The run stops within a batch.", icon=":material/stop_circle:")
        elif st.button("Delete", icon=":material/delete:"):
            confirm_removal(run)
    if run.has_model and not jobs.is_open(status):
        promotion(run)
    with st.expander("Settings", icon=":material/tune:"):
        st.json(run.settings.to_json())
    log = run.folder / "log.txt"
    if status.state == "failed" and log.is_file():
        with st.expander("End of the log", icon=":material/article:"):
            st.code(log.read_text(errors="replace")[-4000:], language=None)


def promotion(run: Run) -> None:
    with st.form("promote", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Promote its model under the name", value=f"model-{run.name}", key=f"promote_{run.name}")
        if st.form_submit_button("Promote", icon=":material/workspace_premium:"):
            with components.explained():
                model_store.promote(run.name, name)
                st.success(f"Model {name} can now be chosen on the Predict page.", icon=":material/check_circle:")


@st.dialog("Delete this run?")
def confirm_removal(run: Run) -> None:
    st.markdown(f"Run **{run.name}**, its curves and its model will be gone. Promoted copies stay.")
    with st.container(horizontal=True):
        if st.button("Delete for good", type="primary", icon=":material/delete:"):
            with components.explained():
                runs.remove(run.name)
                st.rerun()
        if st.button("Keep it"):
            st.rerun()


found = runs.every()
if found:
    table(found)
    actions(components.pick_run(found, "runs_run"))
else:
    st.info("No runs yet.", icon=":material/history:")
    st.page_link("app_pages/train.py", label="Train the first one", icon=":material/model_training:")
