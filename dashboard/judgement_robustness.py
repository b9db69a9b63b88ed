"""What becomes of the figures as the films get worse: for each kind of damage a chart, a sentence and a table."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core import evaluation, robustness, wording
from core.robustness import FAMILIES, FIGURES, Robustness
from dashboard import caches, components, judgement_charts, state
from dashboard.judgements import Judgement


def stored(judgement: Judgement) -> Robustness | None:
    """The figures of damaged films that belong to this judgement, if there are any."""
    folders = [judgement.folder, _job(judgement)]
    found = (caches.robustness(folder, judgement.report.part) for folder in folders)
    return next((one for one in found if one and _belongs(one, judgement)), None)


def _belongs(found: Robustness, judgement: Judgement) -> bool:
    report = judgement.report
    return (found.films_hash, found.threshold) == (report.films_hash, report.threshold)


def _job(judgement: Judgement) -> Path:
    return state.robustness_folder(judgement.model.card["sha256"], judgement.data, judgement.report.part)


def show(judgement: Judgement) -> None:
    """The figures of damaged films, or a way to get them."""
    report = judgement.report
    found = stored(judgement)
    if found:
        _multiples(found)
    elif report.part not in evaluation.PARTS:
        _released(judgement.model.card)
    elif not judgement.data:
        st.info("The films are not at hand: choose their data set to have them damaged.", icon=":material/blur_on:")
    else:
        st.markdown(
            "Judges the model again on films with noise, blur, JPEG artefacts, other brightness and contrast, turned "
            f"and cropped: at most {robustness.LIMIT:,} films of each class, at "
            f"{sum(map(len, FAMILIES.values()))} levels. It goes on when you leave the page."
        )
        if report.part == "test":
            st.caption("It counts as another look at the test part.")
        command = ["robustness", "--model", judgement.model.name, "--data", judgement.data, "--split", report.part]
        components.offer_job(_job(judgement), command, "Damage the films", "Judging", ":material/blur_on:")


def _multiples(found: Robustness) -> None:
    st.caption(
        f"{found.films:,} of these films, at most {robustness.LIMIT:,} of each class, damaged by us level by level, "
        f"each anew from the film as it is; threshold {found.threshold:.3f}. Shaded: 95 % intervals."
    )
    lowest = min(step.metrics[name].low for family in FAMILIES for step in found.steps(family) for name in FIGURES)
    with st.grid(3, min_column_width=300):
        for family in FAMILIES:
            steps = found.steps(family)
            sentence = wording.of_robustness(found, family)
            with st.container(border=True):
                st.subheader(wording.sentence_case(family))
                chart = judgement_charts.robustness(steps, FIGURES, wording.TITLES, lowest)
                st.altair_chart(chart, alt=f"{family}: {sentence}")
                st.markdown(sentence)
                rows = [
                    {"Level": step.label}
                    | {wording.TITLES[name]: wording.with_interval(step.metrics[name]) for name in FIGURES}
                    for step in steps
                ]
                with st.expander("As a table", icon=":material/table:"):
                    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"{family} as a table")


def _released(card: dict) -> None:
    """What a released model's card says: across the folds nothing can be judged anew."""
    st.info(
        "These figures are of several networks, each on films it was not trained on; they are not at hand any more. "
        "Choose a data set under Films to damage films for the model itself.",
        icon=":material/blur_on:",
    )
    shifts = card.get("cross_validation", {}).get("by_shift")
    if shifts:
        st.subheader("As it was found when the model was made")
        names = ("sensitivity", "specificity", "roc_auc")
        rows = [
            {"Changed": shift, "Films": figures["films"]} | {wording.TITLES[name]: figures[name] for name in names}
            for shift, figures in shifts.items()
        ]
        form = st.column_config.NumberColumn(format="%.3f")
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt="Figures of films as other departments would take them",
            column_config={"Films": st.column_config.NumberColumn(format="localized")}
            | {wording.TITLES[name]: form for name in names},
            height="content",
        )
