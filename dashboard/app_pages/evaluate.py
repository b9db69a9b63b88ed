"""How good is a model on films it never saw?"""

import math

import pandas as pd
import streamlit as st

from core import evaluation, jobs, metrics, runs
from core.evaluation import EvaluationReport
from core.runs import Run
from dashboard import charts, components, state

PARTS = {
    "validation": "Validation: kept aside during training, used to choose the best epoch and to calibrate",
    "test": "Test: patients kept apart from every choice, for the final judgement",
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
    right.altair_chart(charts.roc(report.roc), alt="ROC curve: sensitivity against false alarms")
    right.markdown(
        f"A pneumonia film scores higher than a normal one in **{report.metrics['roc_auc'].value:.1%}** of all pairs."
    )
    with st.expander("The figures as a table", icon=":material/table:"):
        rows = {
            charts.TITLES[name]: {"Value": figure.value, "Low": figure.low, "High": figure.high}
            for name, figure in report.metrics.items()
        }
        st.dataframe(pd.DataFrame(rows).T, alt="Figures with 95 % intervals")


def judge(run: Run, part: str) -> None:
    folder = state.evaluation_folder(run.name, part)
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
            jobs.launch(
                folder,
                ["evaluate", "--model", run.name, "--data", run.settings.data, "--split", part, "--job", folder.name],
            )
            st.rerun()


found = runs.with_model()
if found:
    run = components.pick_run(found, "evaluate_run")
    part = st.segmented_control(
        "Part", list(PARTS), default="validation", format_func=str.capitalize, required=True, key="evaluate_part"
    )
    st.caption(PARTS[part])
    with components.explained():
        report = evaluation.stored(run.folder).get(part)
        if report:
            show(report)
        else:
            judge(run, part)
else:
    st.info("There is no trained model yet.", icon=":material/fact_check:")
    st.page_link("app_pages/train.py", label="Train one", icon=":material/model_training:")
