"""One film in, one answer out."""

import streamlit as st

from core import model_store, runs
from core.data.sample import CLASS_NAMES
from core.prediction import Prediction
from dashboard import components, state

VERDICTS = {"suggests_pneumonia": "Suggests pneumonia", "suggests_normal": "Suggests normal"}
SENTENCES = {
    "suggests_pneumonia": "The model finds this film more like those with pneumonia it was trained on.",
    "suggests_normal": "The model finds this film more like the normal ones it was trained on.",
}


def pick_model() -> str | None:
    names = [model.name for model in model_store.promoted()]
    names += [run.name for run in runs.with_model() if run.name not in names]
    if not names:
        st.info("There is no trained model yet.", icon=":material/radiology:")
        st.page_link("app_pages/train.py", label="Train one", icon=":material/model_training:")
        return None
    return st.selectbox(
        "Model", names, key="predict_model", persist_state="session", help="Promoted models first, then those of runs."
    )


def pick_film() -> tuple[bytes, str, bool] | None:
    """The film's bytes, the truth if it is known, and whether it is synthetic."""
    way = st.segmented_control(
        "Film", ["Upload", "From the data set"], default="Upload", required=True, key="predict_way"
    )
    if way == "Upload":
        file = st.file_uploader(
            "A chest film as JPEG, PNG, TIFF, BMP, WebP or DICOM",
            help="It stays in memory and is gone with this page.",
        )
        return (file.getvalue(), "", False) if file else None
    source = components.chosen_data()
    if not source:
        return None
    sample = st.selectbox(
        "Film of the data set", source.samples, format_func=lambda sample: sample.id, key="predict_sample"
    )
    try:
        return source.read(sample), CLASS_NAMES[sample.label], source.synthetic
    except OSError as error:
        components.show_error(f"{sample.id} cannot be read: {error.strerror}.", "Check that the file is still there.")
        return None


def percent(probability: float) -> str:
    """No film is certain: never 0 or 100 %."""
    if probability > 0.999:
        return "> 99.9%"
    return "< 0.1%" if probability < 0.001 else f"{probability:.1%}"


def show(prediction: Prediction, truth: str) -> None:
    answer, film = st.columns([3, 2])
    with answer:
        with st.container(border=True):
            ill = prediction.verdict == "suggests_pneumonia"
            icon = ":material/pulmonology:" if ill else ":material/check_circle:"
            st.header(f":{'orange' if ill else 'blue'}[{VERDICTS[prediction.verdict]}]", icon=icon)
            st.markdown(SENTENCES[prediction.verdict])
            st.progress(prediction.probability, text="Calibrated probability of pneumonia")
            with st.grid(3, min_column_width=120):
                st.metric("Probability", percent(prediction.probability))
                st.metric("Threshold", f"{prediction.threshold:.1%}")
                st.metric("Time", f"{prediction.milliseconds:.0f} ms")
        if truth:
            st.markdown(f"The data set calls this film **{truth}**.")
    film.image(
        prediction.film,
        caption=f"The film as the model saw it, {prediction.film.shape[0]} × {prediction.film.shape[1]} pixels",
        width="stretch",
        alt="The uploaded film after preprocessing",
    )


name = pick_model()
if name:
    with components.explained():
        card = model_store.find(name).card
        chosen = pick_film()
        if card["data"]["synthetic"]:
            st.warning(
                "This model was trained on SYNTHETIC films only: its answer to a real film means nothing.",
                icon=":material/science:",
            )
        if chosen:
            content, truth, synthetic = chosen
            components.synthetic_badge(synthetic)
            show(state.predictor(name, card["sha256"]).predict(content), truth)
        st.caption(
            "The probability was calibrated on patients kept aside from training. It holds for films like those. "
            "This model has no check yet that a picture is a chest film at all: show it nothing else."
        )
