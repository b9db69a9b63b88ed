"""The curves of a judgement and its figures group by group: each with a sentence and a table."""

import dataclasses

import pandas as pd
import streamlit as st

from core import breakdown, wording
from core.evaluation import EvaluationReport
from dashboard import judgement_charts


def show(report: EvaluationReport) -> None:
    """ROC, precision-recall, reliability, histogram and decision curve."""
    found, name = report.curves, report.model
    charts = (
        ("ROC curve", judgement_charts.roc({name: found.roc}), wording.of_roc(report), _points(found.roc, "roc")),
        ("Precision and recall", judgement_charts.pr({name: found.pr}), wording.of_pr(report), _points(found.pr, "pr")),
        (
            "Reliability",
            judgement_charts.reliability(found.reliability),
            wording.of_reliability(report),
            pd.DataFrame(
                [
                    (f"{one.low:.1f}–{one.high:.1f}", one.films, one.probability, *dataclasses.astuple(one.share))
                    for one in found.reliability
                ],
                columns=["Probability", "Films", "Mean probability", "Share of pneumonia", "Low", "High"],
            ),
        ),
        (
            "Decision curve",
            judgement_charts.decision(found.decision),
            wording.of_decision(report),
            pd.DataFrame(
                {
                    "Threshold probability": found.decision.threshold,
                    "Net benefit, model": found.decision.model,
                    "Net benefit, treat all": found.decision.treat_all,
                }
            ),
        ),
    )
    with st.grid(2, min_column_width=340):
        for title, chart, sentence, table in charts:
            with st.container(border=True):
                st.subheader(title)
                st.altair_chart(chart, alt=f"{title}: {sentence}")
                st.markdown(sentence)
                with st.expander("As a table", icon=":material/table:"):
                    st.dataframe(table, hide_index=True, alt=f"{title} as a table")
    st.caption("Bands: the middle 95 % of 2,000 draws of patients.")


def _points(curve, kind: str) -> pd.DataFrame:
    names = {"roc": ("false_positive_rate", "sensitivity"), "pr": ("sensitivity", "ppv")}[kind]
    titles = {"false_positive_rate": "1 − specificity", "sensitivity": "Sensitivity", "ppv": "PPV"}
    return pd.DataFrame({titles[name]: getattr(curve, name) for name in names})


def show_groups(report: EvaluationReport) -> None:
    """The figures of each group of films, way by way."""
    ways = dict.fromkeys(group.way for group in report.breakdown)
    if not ways:
        st.info("Nothing is known of these films by which they could be told apart.", icon=":material/category:")
    for way in ways:
        groups = [group for group in report.breakdown if group.way == way]
        st.subheader(way)
        chart = judgement_charts.groups(groups, breakdown.FIGURES, wording.TITLES)
        st.altair_chart(chart, alt=f"Figures by {way.lower()}")
        rows = [
            {"Group": group.name, "Films": group.films, "Pneumonia": group.pneumonia}
            | {wording.TITLES[name]: wording.with_interval(group.metrics[name]) for name in breakdown.FIGURES}
            for group in groups
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"Figures by {way.lower()}")


def side_by_side(reports: dict[str, EvaluationReport]) -> None:
    """The same figures on several parts, with the prevalence of each named."""
    rows = {
        name: {wording.TITLES[metric]: wording.with_interval(figure) for metric, figure in report.metrics.items()}
        | {"Prevalence": f"{report.prevalence:.1%}", "Films": f"{report.films:,}"}
        for name, report in reports.items()
    }
    st.dataframe(pd.DataFrame(rows), alt="Figures part by part")
    shares = {name: report.prevalence for name, report in reports.items()}
    low, high = min(shares, key=shares.get), max(shares, key=shares.get)
    if shares[high] - shares[low] >= 0.01:
        st.markdown(
            f"Pneumonia is more frequent in the {high} part ({shares[high]:.1%}) than in the {low} part "
            f"({shares[low]:.1%}): PPV, NPV and accuracy move with that alone."
        )
