"""Many films at once: a few at a time, a table of answers that can be filtered and kept, and each film by itself."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import pandas as pd
import streamlit as st

from core import images, wording
from core.errors import UserError
from core.model_card import NOTICE, about_population
from core.model_store import StoredModel
from dashboard import prediction_one, state
from dashboard.handing_in import Asked

ANSWERS = "predict_answers"
# One turn of the page's script takes so long at most; then others have theirs.
TURN_SECONDS, AT_ONCE = 0.5, 8
# While the network judges one film, others are decoded.
WORKERS = max(2, os.cpu_count() or 2)
THUMBNAIL = 72
UNREADABLE = "Unreadable"


def show(model: StoredModel, films: list[Asked]) -> None:
    """The answers as they come, and the table of them all."""
    known = _known(model, films)
    if len(known) < len(films):
        _go_on(model, films)
    else:
        _table(model, films, known)


def _known(model: StoredModel, films: list[Asked]) -> dict[str, dict[str, Any]]:
    """Answers of this visit by film; those to films that are gone are forgotten, and so are another model's."""
    sha256, kept = state.value(ANSWERS) or ("", {})
    wanted = {film.id for film in films}
    kept = {id: answer for id, answer in kept.items() if id in wanted and sha256 == model.card["sha256"]}
    state.put(ANSWERS, (model.card["sha256"], kept))
    return kept


@st.fragment(run_every=0.05)
def _go_on(model: StoredModel, films: list[Asked]) -> None:
    """Asks the model about the next few films; the page is drawn anew when all have their answer."""
    known = state.value(ANSWERS)[1]
    predictor = state.predictor(model.name, model.card["sha256"])
    deadline = time.monotonic() + TURN_SECONDS
    waiting = [film for film in films if film.id not in known]
    with ThreadPoolExecutor(WORKERS) as pool:
        while waiting and time.monotonic() < deadline:
            few, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            known |= zip([film.id for film in few], pool.map(lambda film: _answer(predictor, film), few), strict=True)
    st.progress(len(known) / len(films), text=f"{len(known):,} of {len(films):,} films")
    if len(known) == len(films):
        st.rerun()


def _answer(predictor, film: Asked) -> dict[str, Any]:
    try:
        found = predictor.predict(film.read())
    except UserError as error:
        return {"Answer": UNREADABLE, "Why": str(error)}
    small = cv2.resize(found.film, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return {
        "Film": images.data_uri(small),
        "Answer": wording.VERDICTS[found.verdict],
        "Probability": found.probability,
        "Threshold": found.threshold,
        # Whom the model knows is the same for every film, and told below.
        "Why": " ".join(text for text in (*found.reasons, *found.warnings) if text != about_population(predictor.card)),
    }


def _table(model: StoredModel, films: list[Asked], known: dict[str, dict[str, Any]]) -> None:
    rows = [{"Film": None, "Name": film.name, "Probability": None} | known[film.id] for film in films]
    table = pd.DataFrame(rows, columns=["Film", "Name", "Answer", "Probability", "Threshold", "Why"])
    counts = Counter(table["Answer"])
    answers = [answer for answer in (*wording.VERDICTS.values(), UNREADABLE) if answer in counts]
    chosen = st.pills(
        "Show",
        answers,
        selection_mode="multi",
        format_func=lambda answer: f"{answer} · {counts[answer]:,}",
        key="predict_shown",
    )
    shown = table[table["Answer"].isin(chosen)] if chosen else table
    selected = st.dataframe(
        shown,
        hide_index=True,
        row_height=THUMBNAIL,
        on_select="rerun",
        selection_mode="single-row",
        key="predict_table",
        alt="The answer to each film",
        column_config={
            "Film": st.column_config.ImageColumn(width="small"),
            "Probability": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "Threshold": st.column_config.NumberColumn(format="%.3f"),
        },
    )
    st.download_button(
        "Table (CSV)",
        lambda: (
            table.drop(columns="Film")
            .assign(Model=model.name, Notice=f"{NOTICE} {about_population(model.card)}".strip())
            .to_csv(index=False)
        ),
        "answers.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    if selected.selection.rows:
        film = films[shown.index[selected.selection.rows[0]]]
        if known[film.id]["Answer"] != UNREADABLE:
            prediction_one.show(model, film)
    else:
        st.caption("Choose a row to see its film.")
