"""The films behind a cell of the confusion matrix or a bar of the histogram, with where the network looked."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import curves
from core.curves import Histogram
from core.data.sample import CLASS_NAMES
from core.metrics import Confusion, Judged
from dashboard import caches, components, judgement_charts, state
from dashboard.judgement_charts import BIN, CELL
from dashboard.judgements import Judgement

MATRIX, BARS = "evaluate_matrix", "evaluate_bars"
CHOSEN_CELL, RANGE, PAGE = "evaluate_cell", "evaluate_range", "evaluate_page"
# (truth, called pneumonia) of each cell, in the words of the page.
CELLS = {
    "Missed": (1, False),
    "False alarms": (0, True),
    "Found": (1, True),
    "Rightly normal": (0, False),
}
A_PAGE = 12


def clickable_matrix(counts: Confusion) -> None:
    """The confusion matrix; a click chooses the cell whose films are shown."""
    st.altair_chart(
        judgement_charts.confusion(counts),
        key=MATRIX,
        on_select=_take_cell,
        alt="Confusion matrix: films by truth and by the model's answer",
    )


def clickable_histogram(found: Histogram, threshold: float) -> None:
    """The histogram of probabilities; a click chooses the bar whose films are shown."""
    st.altair_chart(
        judgement_charts.histogram(found, threshold),
        key=BARS,
        on_select=_take_bar,
        alt="Histogram: films by probability and class",
    )


def _take_cell() -> None:
    selected = (state.value(MATRIX) or {}).get("selection", {}).get(CELL)
    if selected:
        wanted = (CLASS_NAMES.index(selected[0]["Truth"]), selected[0]["Model says"] == CLASS_NAMES[1])
        state.put(CHOSEN_CELL, [name for name, cell in CELLS.items() if cell == wanted])
        state.put(PAGE, 1)


def _take_bar() -> None:
    selected = (state.value(BARS) or {}).get("selection", {}).get(BIN)
    if selected:
        low = selected[0]["From"]
        state.put(RANGE, (round(low, 2), round(low + 1 / curves.SCORE_BINS, 2)))
        # A bar holds films of every cell.
        state.put(CHOSEN_CELL, list(CELLS))
        state.put(PAGE, 1)


def show(judgement: Judgement, judged: Judged) -> None:
    """The films of the chosen cells and range, those the model is surest of first."""
    counts = judged.confusion
    sizes = dict(zip(CELLS, (counts.fn, counts.fp, counts.tp, counts.tn), strict=True))
    left, right = st.columns([3, 2])
    chosen = left.pills(
        "Films of", list(CELLS), selection_mode="multi", format_func=lambda n: f"{n} · {sizes[n]:,}", key=CHOSEN_CELL
    )
    state.default(RANGE, (0.0, 1.0))
    low, high = right.slider("Probability from – to", 0.0, 1.0, step=0.05, key=RANGE)
    if not chosen:
        return
    table = judgement.answers
    called = table["probability"] >= judged.threshold
    inside = sum(
        ((table["label"] == truth) & (called == says) for truth, says in (CELLS[name] for name in chosen)),
        start=pd.Series(False, index=table.index),
    ).astype(bool)
    inside &= table["probability"].between(low, high)
    found = table[inside]
    sureness = (found["probability"] - judged.threshold).abs()
    found = found.loc[sureness.sort_values(ascending=False, kind="stable").index]
    st.markdown(f"**{len(found):,} films**, those the model is surest of first.")
    gallery(judgement, found, "evaluate", _caption)


def _caption(film: pd.Series) -> str:
    kind = f", {film['subtype']}" if film["subtype"] and film["label"] else ""
    return f"{CLASS_NAMES[film['label']]}{kind} · probability {film['probability']:.3f}"


def gallery(judgement: Judgement, found: pd.DataFrame, key: str, caption: Callable[[pd.Series], str]) -> None:
    """Films page by page, with where the network looked if that is wanted.

    found: with columns film and patient. key: of its widgets. caption: what is said of a film besides.
    """
    if found.empty:
        st.info("No film is there.", icon=":material/done_all:")
        return
    prepared = judgement.prepared()
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    shown = _page(found, f"{key}_page", left)
    if prepared is None:
        st.caption("The films themselves are not at hand: choose their data set, and prepare it, to see them.")
        st.dataframe(shown, hide_index=True)
        return
    with_heat = right.toggle("Heat maps", key=f"{key}_heat", help="Where the network looked, not where disease is.")
    place = {film: row for row, film in enumerate(prepared.table["id"])}
    rows = tuple(place[film] for film in shown["film"])
    films = np.stack([prepared.film(row) for row in rows])
    pictures = _heated(judgement, rows, films) if with_heat else films
    with st.grid(6, min_column_width=130):
        for (_, film), picture in zip(shown.iterrows(), pictures, strict=True):
            components.film(
                picture,
                f"{components.plain(film['film'])} · patient {components.plain(film['patient'])} · {caption(film)}",
                f"Film {film['film']}",
            )


def _page(found: pd.DataFrame, key: str, place: DeltaGenerator) -> pd.DataFrame:
    last = -(-len(found) // A_PAGE)
    state.default(key, 1)
    state.put(key, min(state.value(key), last))
    page = place.number_input("Page", 1, last, key=key) if last > 1 else 1
    return found.iloc[(page - 1) * A_PAGE : page * A_PAGE]


def _heated(judgement: Judgement, rows: tuple[int, ...], films: np.ndarray) -> list[np.ndarray]:
    from core.gradcam import overlay

    model, report = judgement.model, judgement.report
    heats = caches.heatmaps(model.name, model.card["sha256"], report.films_hash, rows, films)
    st.caption("Bright: what spoke for the answer the model gave. Attention, not localisation of disease.")
    if report.part == "cross-validation":
        st.caption("The maps are of the whole model, which was trained on these films; the probabilities are not.")
    return [overlay(film, heat, 0.6) for film, heat in zip(films, heats, strict=True)]
