"""How good is a model on films it never saw?"""

import dataclasses
import json

import streamlit as st

from core import reports
from core.reports import Extras
from dashboard import (
    caches,
    components,
    judgement_comparison,
    judgement_curves,
    judgement_figures,
    judgement_robustness,
    judgements,
)


def show_groups(judgement: judgements.Judgement) -> None:
    """Group by group, and part against part where several were judged."""
    parts = caches.reports(judgement.folder)
    if len(parts) > 1:
        st.subheader("Part against part")
        judgement_curves.side_by_side(parts)
    judgement_curves.show_groups(judgement.report)


def extras(judgement: judgements.Judgement) -> Extras:
    """What the report holds besides, as far as it is there or wanted; says which."""
    report = judgement.report
    films = ()
    prepared = judgement.prepared() if judgement.answers is not None else None
    if prepared is None:
        st.caption("Without single films: they, or the answers to them, are not at hand.")
    elif st.toggle("With single films and heat maps", key="evaluate_examples", help="Three of each kind of answer."):
        whole = dataclasses.replace(report, answers=judgement.answers)
        films = caches.examples(judgement.model.name, judgement.model.card["sha256"], report.made, whole, prepared)
    damaged, lineup = judgement_robustness.stored(judgement), judgement_comparison.chosen(judgement)
    st.caption(
        ("With the figures of damaged films. " if damaged else "Damaged films come in once they are judged. ")
        + (f"Beside {', '.join(lineup.comparisons)}." if lineup else "Other models come in that are chosen to compare.")
    )
    return Extras(films, damaged, lineup)


def show_exports(judgement: judgements.Judgement) -> None:
    """The report to hand over; each file is made when it is asked for."""
    report, card = judgement.report, judgement.model.card
    whole = dataclasses.replace(report, answers=judgement.answers)
    name = f"{report.model}-{report.part}"
    st.markdown(
        "Everything on this page with the model's and the data's cards, to print, to send or to compute with. "
        "The files open without PneumoScope and load nothing from elsewhere."
    )
    more = extras(judgement)
    exports = {
        "Page (HTML)": ("html", "text/html", lambda: reports.evaluation_html(whole, card, more)),
        "Document (PDF)": ("pdf", "application/pdf", lambda: reports.evaluation_pdf(whole, card, more)),
        "Everything (JSON)": ("json", "application/json", lambda: json.dumps(reports.report_json(whole, card, more))),
    }
    if judgement.answers is not None:
        exports["Films (CSV)"] = ("csv", "text/csv", lambda: judgement.answers.to_csv(index=False))
    with st.container(horizontal=True):
        for label, (ending, kind, make) in exports.items():
            st.download_button(label, make, f"{name}.{ending}", kind, icon=":material/download:", on_click="ignore")


VIEWS = {
    "Figures": judgement_figures.show,
    "Curves": lambda judgement: judgement_curves.show(judgement.report),
    "Groups": show_groups,
    "Robustness": judgement_robustness.show,
    "Compare": judgement_comparison.show,
    "Report": show_exports,
}
with components.explained():
    judgement = judgements.opened()
    if judgement:
        view = st.segmented_control("View", list(VIEWS), default="Figures", required=True, key="evaluate_view")
        VIEWS[view](judgement)
