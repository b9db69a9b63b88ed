"""Models side by side: curves on the films in common, differences, and the films on which they disagree."""

import pandas as pd
import streamlit as st

from core import wording
from core.comparison import Comparison
from core.data.checks.finding import SERIOUS
from core.data.sample import CLASS_NAMES
from core.lineup import Entry, Lineup
from dashboard import caches, components, judgement_charts, judgement_films, judgements, state
from dashboard.judgements import Judgement

WITH = "compare_with"
DIFFERENT = "all"


def chosen(judgement: Judgement) -> Lineup | None:
    """The models that the visitor has chosen to compare; None where there is none. Raises UserError."""
    picked = _picked(judgement)
    if not picked:
        return None
    sides = {judgement.model.name: judgement} | picked
    entries = {name: Entry(one.answers, one.report.threshold) for name, one in sides.items()}
    return caches.lineup(tuple((name, one.report.made) for name, one in sides.items()), entries)


def _picked(judgement: Judgement) -> dict[str, Judgement]:
    names = state.value(f"{WITH}_{judgement.key}")
    others = judgements.others(judgement) if names and judgement.answers is not None else {}
    return {name: others[name] for name in names or () if name in others}


def show(judgement: Judgement) -> None:
    """Choice of the others, then everything that tells them apart."""
    if judgement.answers is None:
        st.info("The answers to the single films are not stored: judge again to compare.", icon=":material/compare:")
        return
    others = judgements.others(judgement)
    if others:
        st.multiselect(
            "Compare with",
            list(others),
            key=f"{WITH}_{judgement.key}",
            placeholder="Models judged on films of the same data set",
            # The report asks for it from another view.
            persist_state="session",
        )
    else:
        st.info("No other model was judged on these films yet.", icon=":material/compare:")
    judgements.judge_another(judgement, others)
    found = chosen(judgement)
    if found:
        for name, other in _picked(judgement).items():
            for caution in other.report.cautions:
                if caution.severity == SERIOUS:
                    title = components.plain(f"{name}: {caution.title}")
                    st.warning(components.plain(caution.text), title=title, icon=":material/error:")
        _side_by_side(found)
        _pairs(judgement, found)


def _side_by_side(found: Lineup) -> None:
    st.caption(
        f"On the {found.films:,} films of {found.patients:,} patients that all of them have judged, each at its own "
        "threshold. Bands and intervals: 95 %, from the same 2,000 draws of patients for all."
    )
    first = components.plain(found.first)
    differences = {name: compared.differences for name, compared in found.comparisons.items()}
    charts = {
        "ROC curves": judgement_charts.roc({name: side.roc for name, side in found.sides.items()}),
        "Precision and recall": judgement_charts.pr({name: side.pr for name, side in found.sides.items()}),
        "Differences": judgement_charts.differences(differences, wording.TITLES, list(found.sides)),
    }
    with st.grid(3, min_column_width=300):
        for title, chart in charts.items():
            with st.container(border=True):
                st.subheader(title)
                st.altair_chart(chart, alt=title)
    st.caption(f"Differences are from {first}: right of the line a model is better, and left of it worse.")
    rows = [
        {
            "Model": name,
            "Left out": f"{side.left_out:,} films",
            **{
                f"{wording.TITLES[figure]}, difference": wording.with_interval(difference)
                for figure, difference in differences.get(name, {}).items()
            },
        }
        for name, side in found.sides.items()
        if name in differences or side.left_out
    ]
    st.dataframe(pd.DataFrame(rows).fillna("–"), hide_index=True, alt="Differences as a table")


def _pairs(judgement: Judgement, found: Lineup) -> None:
    names = list(found.comparisons)
    name = names[0]
    if len(names) > 1:
        name = st.segmented_control("Disagreement with", names, default=name, required=True, key="compare_pair")
    compared = found.comparisons[name]
    st.subheader(f"{components.plain(found.first)} and {components.plain(name)}")
    st.markdown(wording.of_comparison(components.plain(found.first), components.plain(name), compared))
    st.caption(
        "DeLong's test of the ROC AUCs and McNemar's of accuracy count every film as one of its own: where patients "
        "have several films they find differences too easily, and the intervals are the better guide."
    )
    if not compared.disagree.empty:
        _disagreement(judgement, found.first, name, compared)


def _disagreement(judgement: Judgement, first: str, second: str, compared: Comparison) -> None:
    one, other = compared.discordant
    labels = {
        DIFFERENT: f"All {one + other:,}",
        "first": f"Only {first} is right · {one:,}",
        "second": f"Only {second} is right · {other:,}",
    }
    right = st.pills(
        "Films", list(labels), default=DIFFERENT, format_func=labels.get, required=True, key="compare_right"
    )
    films = compared.disagree
    if right != DIFFERENT:
        films = films[films["right"] == right]
    st.markdown("Those on which the two are farthest apart come first.")
    judgement_films.gallery(
        judgement,
        films,
        "compare",
        lambda film: f"{CLASS_NAMES[film['label']]} · {film['first']:.3f}, the other {film['second']:.3f}",
    )
