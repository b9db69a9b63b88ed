"""Which film, or which films, a visitor asks about: uploaded, pasted, or of the data set."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core import model_store, runs
from core.data.in_memory import films_in
from core.data.sample import CLASS_NAMES
from core.errors import UserError
from core.model_store import StoredModel
from dashboard import components, state
from dashboard.loaded import STARTING

UPLOAD, PASTE, DATA_SET = "Upload", "Paste", "From the data set"
PASTED = "predict_pasted"
# In MB: an archive of 500 films of full size; what is too large for one film is refused when it is read.
LARGEST_UPLOAD = 500


@dataclasses.dataclass(frozen=True)
class Asked:
    """A film that waits for its answer.

    id: tells it from every other film of this visit. name: as the visitor calls it. read: gives the file's bytes;
    raises UserError or OSError. truth: what the data set calls it, or "". known: what is worth saying of it first.
    """

    id: str
    name: str
    read: Callable[[], bytes]
    truth: str = ""
    synthetic: bool = False
    known: str = ""


def pick_model() -> StoredModel | None:
    """The menu of every model, promoted ones first; None where there is none. Raises UserError if it is damaged."""
    names = [model.name for model in model_store.promoted()]
    names += [run.name for run in runs.with_model() if run.name not in names]
    if not names:
        st.info("There is no trained model yet.", icon=":material/radiology:")
        st.page_link("app_pages/train.py", label="Train one", icon=":material/model_training:")
        return None
    name = st.selectbox(
        "Model", names, key="predict_model", persist_state="session", help="Promoted models first, then those of runs."
    )
    return model_store.find(name)


@st.fragment(run_every=0.5)
def _loading() -> None:
    if state.model_status().state != STARTING:
        st.rerun()
    st.caption(":material/hourglass_top: The model is being loaded: the first answer takes a few seconds more.")


def show_warm_up() -> None:
    """Says so as long as the server loads its model."""
    if state.model_status().state == STARTING:
        _loading()


def pick_way() -> str:
    """How films come in."""
    return st.segmented_control("Film", [UPLOAD, PASTE, DATA_SET], default=UPLOAD, required=True, key="predict_way")


def pick_films(model: StoredModel, way: str) -> list[Asked]:
    """The films that were handed in that way. Raises UserError for an archive that will not do."""
    if way == DATA_SET:
        return _of_data_set(model)
    return _opened(_uploaded() if way == UPLOAD else _pasted())


def _uploaded() -> Sequence[Any]:
    return st.file_uploader(
        "Chest films as JPEG, PNG, TIFF, BMP, WebP or DICOM, or a .zip of them",
        accept_multiple_files=True,
        max_upload_size=LARGEST_UPLOAD,
        key="predict_files",
        help="They stay in memory and are gone with this page.",
    )


def _pasted() -> Sequence[Any]:
    # At the top level it would stick to the foot of the page.
    with st.container():
        given = st.chat_input(
            "Click here, paste a copied film with Ctrl+V and press Enter",
            accept_file="multiple",
            max_upload_size=LARGEST_UPLOAD,
            key="predict_paste",
        )
    if given:
        state.put(PASTED, given.files)
        if not given.files:
            st.info("That was text: copy a picture, not its address.", icon=":material/content_paste:")
    return state.value(PASTED) or ()


def _opened(files: Sequence[Any]) -> list[Asked]:
    return [
        Asked(f"{file.file_id}/{inside.name}", inside.name, inside.read)
        for file in files
        for inside in films_in(file.name, file.getvalue())
    ]


def _of_data_set(model: StoredModel) -> list[Asked]:
    source = components.chosen_data()
    if not source:
        return []
    sample = st.selectbox(
        "Film of the data set", source.samples, format_func=lambda sample: sample.id, key="predict_sample"
    )
    trained_on = model.split.get(sample.patient) == "train"
    known = "The model was trained on films of this patient: it may know the answer by heart." if trained_on else ""

    def read() -> bytes:
        try:
            return source.read(sample)
        except OSError as error:
            raise UserError(
                f"{sample.id} cannot be read: {error.strerror}.", fix="Check that the file is still there."
            ) from None

    return [Asked(f"{source.key}/{sample.id}", sample.id, read, CLASS_NAMES[sample.label], source.synthetic, known)]
