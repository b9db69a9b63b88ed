"""What is in the data set: counts, sizes, brightness, mean films and a gallery."""

import numpy as np
import pandas as pd
import streamlit as st

from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES
from core.data.splits import LEFT_OUT, PARTS, split
from core.images import ImageSpec
from core.settings import TrainSettings
from dashboard import charts, components, state

FILMS_A_PAGE = 24


def choose() -> None:
    with st.expander("Use films of your own", icon=":material/create_new_folder:"):
        st.markdown(
            "Give the folder that holds **NORMAL** and **PNEUMONIA**, or **train**, **val** and **test** with those "
            "two inside, as the Kaggle archive unpacks. The films stay where they are."
        )
        with st.form("folder", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.text_input("Folder on this machine", placeholder="/data/chest_xray", key="folder_path")
            if st.form_submit_button("Use this folder", icon=":material/check:"):
                with components.explained():
                    state.choose_data(state.load_data(folder).key)
                    st.rerun()


def show_counts(prepared: Prepared, parts: np.ndarray) -> None:
    table = pd.DataFrame(
        {
            "Part": pd.Categorical(parts, [*PARTS, LEFT_OUT]),
            "Class": pd.Categorical(np.array(CLASS_NAMES)[prepared.labels], CLASS_NAMES),
            "Patient": prepared.table["patient"],
        }
    )
    grouped = table.groupby(["Part", "Class"], observed=True)
    found = grouped.agg(Films=("Class", "size"), Patients=("Patient", "nunique")).reset_index()
    st.subheader("Films by part and class")
    st.caption(
        "Split by patient: no patient is in two parts. The test part is never trained or tuned on. "
        + (
            "It is the official one."
            if "test" in prepared.table["split"]
            else "It was drawn here, for there is no official one."
        )
    )
    chart, numbers = st.columns([3, 2])
    chart.altair_chart(charts.counts(found), alt="Films in each part, by class")
    numbers.dataframe(found, hide_index=True, alt="Films and patients by part and class")


def show_pixels(prepared: Prepared) -> None:
    left, right = st.columns(2)
    files = pd.DataFrame(
        {
            "Class": np.array(CLASS_NAMES)[prepared.labels],
            "Width": prepared.table["width"],
            "Height": prepared.table["height"],
        }
    )
    found = files.value_counts().rename("Films").reset_index()
    left.subheader("Image sizes")
    if found[["Width", "Height"]].drop_duplicates().shape[0] == 1:
        left.markdown(f"Every file is {found['Width'][0]} × {found['Height'][0]} pixels.")
    else:
        left.altair_chart(charts.sizes(found), alt="Width and height of the files, by class")
    right.subheader("Intensity")
    right.altair_chart(charts.histogram(prepared.histograms), alt="Share of the pixels at each grey level, by class")
    st.subheader("Mean film of each class")
    st.caption("Every film of a class laid over the others. What stays dark or bright here, the network can use.")
    with st.grid(4, min_column_width=180):
        for name, film in zip(CLASS_NAMES, prepared.mean_films, strict=True):
            st.image(film, caption=f"Mean of all {name} films", width="stretch", alt=f"Mean film of class {name}")


@st.fragment
def gallery(prepared: Prepared, parts: np.ndarray) -> None:
    st.subheader("Gallery")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control("Part", ["all", *PARTS], default="all", key="gallery_part")
        name = st.segmented_control("Class", ["all", *CLASS_NAMES], default="all", key="gallery_class")
    shown = np.ones(len(parts), bool)
    if part not in (None, "all"):
        shown &= parts == part
    if name not in (None, "all"):
        shown &= prepared.labels == CLASS_NAMES.index(name)
    films = np.flatnonzero(shown)
    if not len(films):
        st.info("No film is in this part and class.", icon=":material/filter_alt_off:")
        return
    page = st.pagination(-(-len(films) // FILMS_A_PAGE), key=f"gallery_page_{part}_{name}")
    st.caption(f"{len(films):,} films")
    with st.grid(8, min_column_width=84):
        for film in films[(page - 1) * FILMS_A_PAGE : page * FILMS_A_PAGE]:
            label = CLASS_NAMES[prepared.table["label"][film]]
            st.image(
                prepared.films[film],
                caption=f"{label} · {parts[film]}",
                width="stretch",
                alt=f"{prepared.table['id'][film]}, {label}",
            )


source = components.pick_data()
choose()
if source:
    with components.explained():
        prepared = components.ensure_prepared(source, ImageSpec())
        if prepared:
            components.synthetic_badge(prepared.synthetic)
            for note in prepared.notes if not prepared.synthetic else ():
                st.warning(note, icon=":material/person_off:")
            defaults = TrainSettings()
            parts = split(prepared.table, defaults.validation_fraction, defaults.test_fraction, defaults.seed)
            if prepared.unreadable:
                with st.expander(
                    f"{len(prepared.unreadable)} files could not be read and are left out", icon=":material/warning:"
                ):
                    st.dataframe(pd.DataFrame(prepared.unreadable), hide_index=True, alt="Files that could not be read")
            show_counts(prepared, parts)
            show_pixels(prepared)
            gallery(prepared, parts)
