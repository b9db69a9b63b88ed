"""The figures of a judgement, its cautions, and the threshold and prevalence that a visitor may try."""

import itertools
import math

import pandas as pd
import streamlit as st

from core import answers, curves, metrics, wording
from core.cautions import Caution
from core.curves import Histogram
from core.data.checks.finding import SERIOUS
from core.data.sample import CLASS_NAMES
from core.evaluation import EvaluationReport
from core.metrics import Confusion, Interval, Judged
from dashboard import components, judgement_charts, judgement_films, state
from dashboard.judgements import Judgement

THRESHOLD, PREVALENCE = "evaluate_threshold", "evaluate_prevalence"
OF_THRESHOLD = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "f1", "mcc")
OF_SCORES = ("roc_auc", "pr_auc", "brier", "calibration_error")


def show_cautions(report: EvaluationReport) -> None:
    """What a reader must know first; what is only worth knowing is folded away."""
    for caution in report.cautions:
        if not caution.is_background:
            st.warning(components.plain(caution.text), title=components.plain(caution.title), icon=_icon(caution))
    rest = [caution for caution in report.cautions if caution.is_background]
    if rest:
        with st.expander(f"Worth knowing about these films ({len(rest)})", icon=":material/info:"):
            for caution in rest:
                st.markdown(f"**{components.plain(caution.title)}.** {components.plain(caution.text)}")


def _icon(caution: Caution) -> str:
    return ":material/error:" if caution.severity == SERIOUS else ":material/warning:"


def show(judgement: Judgement) -> None:
    """Figures, matrix and histogram; live at another threshold where the answers are at hand."""
    report = judgement.report
    components.synthetic_badge(report.synthetic)
    st.caption(
        f"{report.films:,} films of {report.patients:,} patients of {components.plain(report.data)}, "
        f"{report.prevalence:.0%} of them with pneumonia. Called pneumonia at a probability of {report.threshold:.3f} "
        f"or more: {components.plain(report.rule)}."
    )
    show_cautions(report)
    if judgement.answers is None:
        st.info("The answers to the single films are not stored: judge again to try thresholds and see films.")
        _grid(report.metrics)
        st.altair_chart(judgement_charts.confusion(report.confusion), alt="Confusion matrix")
        st.markdown(wording.of_confusion(report.confusion))
    else:
        _explore(judgement)


@st.fragment
def _explore(judgement: Judgement) -> None:
    """Everything that hangs on the threshold; moving it draws this part anew and asks the model nothing."""
    report = judgement.report
    # A key of its own for each judgement: another model has another threshold.
    key = f"{THRESHOLD}_{judgement.key}"
    state.default(key, report.threshold)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    threshold = left.slider("Threshold", 0.0, 1.0, step=0.001, format="%.3f", key=key)
    exploring = abs(threshold - report.threshold) >= 0.0005
    right.button(
        "Back to the model's own",
        icon=":material/undo:",
        disabled=not exploring,
        on_click=state.put,
        args=(key, report.threshold),
        width="stretch",
    )
    judged = answers.judged(judgement.answers, threshold if exploring else report.threshold)
    figures = report.metrics
    if exploring:
        st.badge(f"Exploration: the model's own threshold is {report.threshold:.3f}", icon=":material/explore:")
        figures = metrics.measure(judged, OF_THRESHOLD) | {name: figures[name] for name in OF_SCORES}
    _grid(figures)
    _predictive_values(judged, judgement)
    cells, bins = st.columns(2)
    with cells:
        st.subheader("Confusion matrix")
        judgement_films.clickable_matrix(judged.confusion)
        st.markdown(wording.of_confusion(judged.confusion))
        _as_table(_matrix(judged.confusion), "Confusion matrix")
    with bins:
        st.subheader("Probabilities")
        found = curves.histogram(judged)
        judgement_films.clickable_histogram(found, judged.threshold)
        st.markdown(wording.of_histogram(found))
        _as_table(_bars(found), "Films by probability and class")
    st.caption("Click a cell or a bar to see its films, or choose them below.")
    judgement_films.show(judgement, judged)


def _matrix(c: Confusion) -> pd.DataFrame:
    rows = zip(CLASS_NAMES, ((c.tn, c.fp), (c.fn, c.tp)), strict=True)
    return pd.DataFrame(
        [(truth, *counts, sum(counts)) for truth, counts in rows],
        columns=["Truth", *(f"Model says {name}" for name in CLASS_NAMES), "Films"],
    )


def _bars(found: Histogram) -> pd.DataFrame:
    ranges = [f"{low:.2f}–{high:.2f}" for low, high in itertools.pairwise(found.edges)]
    return pd.DataFrame({"Probability": ranges, CLASS_NAMES[0]: found.normal, CLASS_NAMES[1]: found.pneumonia})


def _as_table(table: pd.DataFrame, alt: str) -> None:
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(table, hide_index=True, alt=alt)


def _grid(figures: dict[str, Interval]) -> None:
    st.caption("Below each figure its 95 % interval: Wilson's for shares, a bootstrap of 2,000 draws of patients else.")
    with st.grid(4, min_column_width=150):
        for name, figure in figures.items():
            st.metric(
                wording.TITLES[name],
                "–" if math.isnan(figure.value) else f"{figure.value:.3f}",
                help=metrics.METRICS[name].__doc__,
                delta=wording.interval(figure),
                delta_color="off",
                delta_arrow="off",
                border=True,
            )


def _predictive_values(judged: Judged, judgement: Judgement) -> None:
    """What an answer is worth where pneumonia is rarer or more frequent than among these films."""
    left, right = st.columns([2, 3], vertical_alignment="center")
    percent = left.slider(
        "If so many of 100 children had pneumonia",
        1,
        99,
        value=round(min(max(judgement.report.prevalence, 0.01), 0.99) * 100),
        format="%d%%",
        key=f"{PREVALENCE}_{judgement.key}",
    )
    ppv, npv = metrics.at_prevalence(judged, percent / 100)
    with right.container(horizontal=True):
        for title, figure in (("PPV there", ppv), ("NPV there", npv)):
            st.metric(
                title,
                "–" if math.isnan(figure.value) else f"{figure.value:.3f}",
                delta=wording.interval(figure),
                delta_color="off",
                delta_arrow="off",
            )
