"""How good is a model on films it never saw?"""

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from core import evaluation, jobs, metrics, model_store, runs
from core.evaluation import EvaluationReport
from core.model_store import StoredModel
from core.runs import Run
from dashboard import charts, components, state

PARTS = {
    "validation": "Validation: kept aside during training, used to choose the best epoch and to calibrate",
    "test": "Test: patients kept apart from every choice, for the final judgement",
    "cross-validation": "Cross-validation: every film judged by the one network that was trained without its patient",
}


def interval(figure: metrics.Interval) -> str:
    """Short enough for a narrow card: ".767–.881"."""
    if math.isnan(figure.low):
        return "cannot be told"
    return "–".join(f"{bound:.3f}".removeprefix("0") for bound in (figure.low, figure.high))


def show(report: EvaluationReport) -> None:
    components.synthetic_badge(report.synthetic)
    st.caption(
        f"{report.films:,} films of {report.patients:,} patients of {report.data}, none of them trained on. "
        f"Called pneumonia at {report.rule}. Below each figure its 95 % interval."
    )
    with st.grid(6, min_column_width=110):
        for name, figure in report.metrics.items():
            st.metric(
                charts.TITLES[name],
                "–" if math.isnan(figure.value) else f"{figure.value:.3f}",
                help=metrics.METRICS[name].__doc__,
                delta=interval(figure),
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
    left, right = st.columns(2)
    c = report.confusion
    left.subheader("Confusion matrix")
    left.altair_chart(charts.confusion(c), alt="Confusion matrix: films by truth and by the model's answer")
    left.markdown(
        f"Of {c.tp + c.fn:,} films with pneumonia it found **{c.tp:,}** and missed **{c.fn:,}**. "
        f"Of {c.tn + c.fp:,} normal films it called **{c.fp:,}** pneumonia by mistake."
    )
    right.subheader("ROC curve")
    right.altair_chart(charts.roc(report.curves.roc), alt="ROC curve: sensitivity against false alarms")
    right.markdown(
        f"A pneumonia film scores higher than a normal one in **{report.metrics['roc_auc'].value:.1%}** of all pairs."
    )
    with st.expander("The figures as a table", icon=":material/table:"):
        rows = {
            charts.TITLES[name]: {"Value": figure.value, "Low": figure.low, "High": figure.high}
            for name, figure in report.metrics.items()
        }
        st.dataframe(pd.DataFrame(rows).T, alt="Figures with 95 % intervals")


def judge(name: str, data: str, part: str, folder: Path) -> None:
    """Has the model judged on that part of the data set by a job in the folder, and shows how far it is."""
    status = jobs.status(folder)
    if jobs.is_alive(folder):
        components.follow(folder, "Judging", "film")
        return
    if status.state == "failed":
        components.show_error(status.error, status.fix)
    text = "The test part has not been looked at yet. Look once, when every choice is made."
    st.info(text if part == "test" else "Not judged on this part yet.", icon=":material/lock:")
    if st.button(f"Evaluate on the {part} part", type="primary", icon=":material/fact_check:"):
        with components.explained():
            command = ["evaluate", "--model", name, "--data", data, "--split", part, "--job", folder.name]
            jobs.launch(folder, command)
            st.rerun()


def pick_part(parts: list[str]) -> str:
    part = st.segmented_control(
        "Part", parts, default=parts[0], format_func=str.capitalize, required=True, key=f"evaluate_part_{parts[0]}"
    )
    st.caption(PARTS[part])
    return part


def show_run(found: list[Run]) -> None:
    run = components.pick_run(found, "evaluate_run")
    part = pick_part(["validation", "test"])
    report = evaluation.stored(run.folder).get(part)
    if report:
        show(report)
    else:
        judge(run.name, run.settings.data, part, state.evaluation_folder(run.name, run.settings.data, part))


def show_promoted(found: list[StoredModel]) -> None:
    """A promoted model: what came with it, and what it says of the test part of the data set in the menu."""
    names = [model.name for model in found]
    name = st.selectbox("Model", names, key="evaluate_model", persist_state="session")
    model = found[names.index(name)]
    stored = evaluation.stored(model.file.parent)
    source = components.chosen_data()
    if not source:
        return
    part = pick_part([*(part for part in PARTS if part in stored and part != "test"), "test"])
    # By its hash: another model may bear the name tomorrow.
    folder = state.evaluation_folder(model.card["sha256"], source.key, part)
    report = evaluation.stored(folder).get(part) or (stored.get(part) if part != "test" else None)
    if report:
        show(report)
    else:
        judge(name, source.key, part, folder)


def pick_kind(kinds: list[str]) -> str:
    if len(kinds) == 1:
        return kinds[0]
    return st.segmented_control("Which model", kinds, default=kinds[0], required=True, key="evaluate_kind")


offered = {"Of a run": runs.with_model(), "Promoted": model_store.promoted()}
kinds = [kind for kind, found in offered.items() if found]
if kinds:
    with components.explained():
        kind = pick_kind(kinds)
        (show_run if kind == "Of a run" else show_promoted)(offered[kind])
else:
    st.info("There is no trained model yet.", icon=":material/fact_check:")
    st.page_link("app_pages/train.py", label="Train one", icon=":material/model_training:")
