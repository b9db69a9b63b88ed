"""One film and its answer: for everyone a verdict, a sentence and a picture, for experts all there is."""

import hashlib

import numpy as np
import streamlit as st

from core import images, metrics, reports, wording
from core.answers import judged
from core.data.sample import CLASS_NAMES
from core.images import ImageSpec
from core.metrics import Interval
from core.model_card import about_population
from core.model_store import StoredModel
from core.prediction import Prediction, Predictor
from dashboard import caches, components, state
from dashboard.handing_in import Asked

EVERYONE, EXPERTS = "For everyone", "For experts"
OPACITY, PREVALENCE = "predict_opacity", "predict_prevalence"
LOOKS = {
    "suggests_pneumonia": ("orange", ":material/pulmonology:"),
    "suggests_normal": ("blue", ":material/check_circle:"),
    "uncertain": ("violet", ":material/help:"),
    "not_a_chest_film": ("red", ":material/block:"),
}
ALIKE = 5
# Side of the picture that shows the whole film before it is brought into shape.
WHOLE = 448


def show(model: StoredModel, asked: Asked) -> None:
    """Reads the film and shows the answer. Raises UserError if it cannot be read."""
    content = asked.read()
    predictor = state.predictor(model.name, model.card["sha256"])
    found = predictor.predict(content)
    view = st.segmented_control("View", [EVERYONE, EXPERTS], default=EVERYONE, required=True, key="predict_view")
    answer, picture = st.columns([3, 2], gap="large")
    with answer:
        _verdict(found)
        if asked.truth:
            st.markdown(f"The data set calls this film **{asked.truth}**.")
        # Whom the model knows stands at the foot of the page: it is the same for every film.
        for text in (asked.known, *found.warnings):
            if text and text != about_population(model.card):
                st.warning(components.plain(text), icon=":material/info:")
        worth = _worth(model, found)
    with picture:
        overlay = _film(predictor, found)
    if view == EXPERTS:
        _figures(found, model)
        _steps(content, predictor.spec, found)
        _alike(model, predictor, found)
        _card(model)
    _exports(reports.Asked(found, overlay, hashlib.sha256(content).hexdigest(), worth), model)


def _verdict(found: Prediction) -> None:
    color, icon = LOOKS[found.verdict]
    with st.container(border=True):
        st.header(f":{color}[{wording.VERDICTS[found.verdict]}]", icon=icon)
        st.markdown(wording.of_prediction(found))
        for reason in found.reasons:
            st.markdown(f"- {components.plain(reason)}")
        if found.verdict != "not_a_chest_film":
            share = wording.probability(found.probability)
            st.progress(found.probability, text=f"Calibrated probability of pneumonia: {share}")


def _worth(model: StoredModel, found: Prediction) -> tuple[float, Interval] | None:
    """What the answer is worth at a prevalence of the visitor's choice, from the films the model was judged on."""
    report = next(iter(caches.reports(model.file.parent).values()), None)
    table = caches.answers(model.file.parent, report) if report else None
    if table is None or found.verdict not in ("suggests_pneumonia", "suggests_normal"):
        return None
    own = round(min(max(report.prevalence, 0.01), 0.99) * 100)
    state.default(PREVALENCE, own)
    percent = st.slider(
        "If so many of 100 children had pneumonia",
        1,
        99,
        format="%d%%",
        key=PREVALENCE,
        help=f"Among the films that the model was judged on it was {own}%.",
    )
    ill = found.verdict == "suggests_pneumonia"
    value = metrics.at_prevalence(judged(table, report.threshold), percent / 100)[0 if ill else 1]
    st.markdown(wording.of_worth(percent / 100, ill, value))
    return percent / 100, value


def _film(predictor: Predictor, found: Prediction) -> np.ndarray | None:
    """The film with its heat over it; returns the overlay."""
    side = len(found.film)
    if found.verdict == "not_a_chest_film":
        components.film(found.film, f"As the model saw it, {side} × {side} pixels", "The film after preprocessing")
        return None
    from core.gradcam import overlay

    heat = predictor.heatmaps(found.film[None], np.array([found.probability]))[0]
    state.default(OPACITY, 50)
    opacity = state.value(OPACITY) / 100
    shown = overlay(found.film, heat, opacity)
    components.film(shown, f"As the model saw it, {side} × {side} pixels", "The film with where the network looked")
    st.slider("Heat map", 0, 100, format="%d%%", key=OPACITY, help="0%: the film alone.")
    st.caption("Bright: what spoke for the answer. Attention of the network, not localisation of disease.")
    return overlay(found.film, heat, max(opacity, 0.3))


def _figures(found: Prediction, model: StoredModel) -> None:
    st.subheader("Figures")
    with st.grid(4, min_column_width=130):
        st.metric("Probability", f"{found.probability:.4f}", border=True)
        st.metric("Threshold", f"{found.threshold:.4f}", border=True, help=model.card["operating_point"]["rule"])
        known = {True: "yes", False: "no", None: "no gate"}
        st.metric("Chest film", known[found.chest_film], border=True)
        st.metric("Time", f"{found.milliseconds:.0f} ms", border=True, help="Decoding, checks and network.")


def _steps(content: bytes, spec: ImageSpec, found: Prediction) -> None:
    """How the file became what the network sees."""
    st.subheader("From the file to the network")
    header = images.read_header(content)
    steps = {
        f"The file: {header.format}, {header.width:,} × {header.height:,} pixels, {header.bits} bits"
        f"{', colour' if header.colour else ''}": ImageSpec(WHOLE, "pad"),
        f"Brought to {spec.size} × {spec.size} pixels ({spec.framing})": ImageSpec(spec.size, spec.framing),
    }
    last = "As the network sees it" + (f", contrast evened out ({spec.equalise})" if spec.equalise != "none" else "")
    with st.grid(3, min_column_width=180):
        for text, step in steps.items():
            components.film(images.standardise(content, step), text, text)
        components.film(found.film, last, last)


def _alike(model: StoredModel, predictor: Predictor, found: Prediction) -> None:
    """The films that the gate was fitted on and that look most like this one to the network."""
    nearest = predictor.nearest(found.features, ALIKE)
    if not nearest:
        return
    st.subheader("Most alike, of the films it knows")
    key = caches.home_of(model)
    prepared = caches.prepared_for(model, key) if key else None
    place = {film: row for row, film in enumerate(prepared.table["id"])} if prepared else {}
    with st.grid(ALIKE, min_column_width=120):
        for name, distance in nearest:
            told = f"{components.plain(name)} · distance {distance:.2f}"
            if name in place:
                row = place[name]
                label = CLASS_NAMES[prepared.table["label"][row]]
                components.film(prepared.film(row), f"{told} · {label}", f"Film {name}")
            else:
                st.markdown(told)
    st.caption("By the network's own features: what is alike to it need not look alike. 1 is a usual film's distance.")


def _card(model: StoredModel) -> None:
    with st.expander("The model's card", icon=":material/id_card:"):
        file = model.file.parent / "card.md"
        if file.is_file():
            # Its title is the page's own: one level down.
            st.markdown(file.read_text(encoding="utf-8").replace("\n#", "\n####").replace("# ", "### ", 1))
        else:
            st.json(model.card, expanded=1)


def _exports(asked: reports.Asked, model: StoredModel) -> None:
    exports = {
        "Page (HTML)": ("html", "text/html", reports.prediction_html),
        "Document (PDF)": ("pdf", "application/pdf", reports.prediction_pdf),
    }
    with st.container(horizontal=True):
        for label, (ending, kind, make) in exports.items():
            st.download_button(
                label,
                lambda make=make: make(asked, model.name, model.card),
                f"answer-{asked.sha256[:8]}.{ending}",
                kind,
                icon=":material/download:",
                on_click="ignore",
                key=f"predict_{ending}",
            )
