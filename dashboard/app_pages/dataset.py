"""What is in the data set: its audit, counts, distributions, mean films, a gallery and its card."""

import numpy as np
import pandas as pd
import streamlit as st

from core import data, reports
from core.data import SOURCES, card, manifest
from core.data.audit import Audit
from core.data.checks.shortcuts import NUISANCES
from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES
from core.data.splits import LEFT_OUT, PARTS, rule, split_by_default
from core.images import ImageSpec
from core.settings import TrainSettings
from dashboard import charts, components, data_sets, findings, state

FILMS_A_PAGE = 24
ALL = "all"


def heading(prepared: Prepared, found: Audit) -> None:
    components.synthetic_badge(prepared.synthetic)
    with st.grid(4, min_column_width=150):
        st.metric("Films", f"{found.films:,}", border=True)
        st.metric("Patients", f"{found.patients:,}", border=True)
        share = prepared.labels[~np.asarray(prepared.table["excluded"])].mean()
        st.metric("Pneumonia", f"{share:.1%}", border=True, help="The prevalence: share of the films with pneumonia.")
        serious = sum(finding.severity == "serious" for finding in found.findings)
        st.metric(
            "Findings",
            len(found.findings),
            delta=f"{serious} serious" if serious else None,
            delta_color="inverse",
            delta_arrow="off",
            border=True,
        )
    for note in prepared.source.notes if not prepared.synthetic else ():
        st.warning(note, icon=":material/person_off:")


def show_counts(prepared: Prepared, parts: np.ndarray, audit: Audit) -> None:
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
    words = rule(prepared.table)
    st.caption(
        f"{words[0].upper()}{words[1:]}, so that no patient is in two parts. "
        "The test part is never trained or tuned on."
    )
    chart, numbers = st.columns([3, 2])
    chart.altair_chart(charts.counts(found), alt="Films in each part, by class")
    numbers.dataframe(found, hide_index=True, alt="Films and patients by part and class")
    official = pd.DataFrame(
        {"Official part": prepared.table["split"], "Class": np.array(CLASS_NAMES)[prepared.labels]}
    )[~np.asarray(prepared.table["excluded"])]
    if official["Official part"].any():
        with st.expander("The parts as they were published", icon=":material/table:"):
            st.dataframe(
                pd.crosstab(official["Official part"], official["Class"]).reindex(["train", "val", "test"]).dropna(),
                width="content",
                alt="Films by official part and class",
            )
            if audit.prevalence_p is not None:
                st.caption(
                    f"Chi-square test that all of them have one prevalence of pneumonia: p = {audit.prevalence_p:.2g}."
                )


def show_means(prepared: Prepared) -> None:
    st.subheader("Mean films")
    st.caption(
        "Every film of a class laid over the others, and the difference: red where PNEUMONIA is brighter, blue where "
        "it is darker. What shows here, a network can use, whether it is disease or not."
    )
    with st.grid(3, min_column_width=180):
        for name, film in zip(CLASS_NAMES, prepared.mean_films, strict=True):
            st.image(film, caption=f"Mean of all {name} films", width="stretch", alt=f"Mean film of class {name}")
        st.image(
            reports.mean_difference(prepared),
            caption="PNEUMONIA less NORMAL",
            width="stretch",
            alt="Difference of the mean films: red where PNEUMONIA is brighter, blue where it is darker",
        )


def show_distributions(prepared: Prepared, found: Audit) -> None:
    films = pd.DataFrame({name: prepared.table[name] for name in ("width", "height", "brightness", "contrast")})
    films["aspect"] = films["width"] / films["height"]
    films["Class"] = np.array(CLASS_NAMES)[prepared.labels]
    films = films[~np.asarray(prepared.table["excluded"])]
    st.caption(
        "Could the class be told without looking at the lungs? Where the two curves part, it could, and a network may "
        "learn that instead."
    )
    sizes = films[["Class", "width", "height"]].value_counts().rename("Films").reset_index()
    sizes.columns = ["Class", "Width", "Height", "Films"]
    with st.grid(2, min_column_width=320):
        if sizes[["Width", "Height"]].drop_duplicates().shape[0] > 1:
            st.altair_chart(charts.sizes(sizes), alt="Width and height of the files, by class")
        st.altair_chart(charts.histogram(prepared.histograms), alt="Share of the pixels at each grey level, by class")
        for name in ("aspect", "brightness", "contrast"):
            if films[name].nunique() > 1:
                title = NUISANCES[name]
                st.altair_chart(charts.distribution(films, name, title), alt=f"{title} of the films, by class")
    if sizes[["Width", "Height"]].drop_duplicates().shape[0] == 1:
        st.markdown(f"Every file is {sizes['Width'][0]} × {sizes['Height'][0]} pixels.")
    st.subheader("In figures")
    st.caption("ROC AUC of each measure alone: .5 tells nothing, towards 0 or 1 it tells the class.")
    table = pd.DataFrame(
        [(NUISANCES[n.name], n.roc_auc, n.p, n.normal, n.pneumonia) for n in found.nuisances],
        columns=["Measure", "ROC AUC", "p (Mann-Whitney)", "Median NORMAL", "Median PNEUMONIA"],
    )
    st.dataframe(
        table,
        hide_index=True,
        alt="ROC AUC, p and medians of each measure",
        column_config={
            "ROC AUC": st.column_config.NumberColumn(format="%.3f"),
            "p (Mann-Whitney)": st.column_config.NumberColumn(format="%.1e"),
        },
    )
    with st.expander("Sizes and grey levels", icon=":material/table:"), st.container(horizontal=True):
        st.dataframe(sizes, hide_index=True, alt="Files of each size and class")
        st.dataframe(
            pd.DataFrame(prepared.histograms.T, columns=CLASS_NAMES).rename_axis("Grey level"),
            alt="Share of the pixels at each grey level, by class",
        )


@st.fragment
def gallery(prepared: Prepared, parts: np.ndarray, found: Audit) -> None:
    st.subheader("Gallery")
    films = np.flatnonzero(filtered(prepared, parts, found))
    if not len(films):
        st.info("No film is like that.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(films) // FILMS_A_PAGE)
    with st.container(horizontal=True, vertical_alignment="center"):
        # Fewer films may have fewer pages: the key changes with them.
        page = st.pagination(pages, key=f"gallery_page_{pages}")
        st.caption(f"{len(films):,} films")
    with st.grid(8, min_column_width=84):
        for film in films[(page - 1) * FILMS_A_PAGE : page * FILMS_A_PAGE]:
            label = CLASS_NAMES[prepared.table["label"][film]]
            caption = f"{label} · {parts[film]}"
            components.film(prepared.film(film), caption, f"{prepared.table['id'][film]}, {label}")


def filtered(prepared: Prepared, parts: np.ndarray, found: Audit) -> np.ndarray:
    """The filters' widgets; returns which films pass: (n,) bool."""
    subtypes = sorted(set(prepared.table["subtype"]) - {""})
    flags = {finding.title: finding for finding in found.findings if finding.groups}
    shown = np.ones(len(parts), bool)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control("Part", [ALL, *PARTS, LEFT_OUT], default=ALL, required=True, key="gallery_part")
        name = st.segmented_control("Class", [ALL, *CLASS_NAMES], default=ALL, required=True, key="gallery_class")
        if subtypes:
            subtype = st.segmented_control("Subtype", [ALL, *subtypes], default=ALL, required=True, key="gallery_type")
            if subtype != ALL:
                shown &= np.asarray(prepared.table["subtype"]) == subtype
        if flags:
            flag = st.selectbox("Flagged", [ALL, "any finding", *flags], key="gallery_flag", width=280)
            if flag != ALL:
                chosen = flags.values() if flag == "any finding" else [flags[flag]]
                ids = {film for finding in chosen for film in finding.films}
                shown &= np.array([film in ids for film in prepared.table["id"]])
    if part != ALL:
        shown &= parts == part
    if name != ALL:
        shown &= prepared.labels == CLASS_NAMES.index(name)
    return shown


def show_card(prepared: Prepared, parts: np.ndarray) -> None:
    described = card.describe(prepared, TrainSettings(), parts)
    facts, change = st.columns([3, 2])
    with facts.container(border=True):
        st.markdown(card.text(described).replace("# ", "### ", 1))
        st.download_button("Card as Markdown", card.text(described), "dataset.md", on_click="ignore")
    key = prepared.source.key
    with change, st.form("card"):
        st.markdown("**Known as**")
        name = st.text_input("Name", prepared.name, max_chars=manifest.LONGEST_NAME, key=f"card_name_{key}")
        licence = st.text_input("Licence of the films", prepared.source.licence, key=f"card_licence_{key}")
        if st.form_submit_button("Save", icon=":material/save:"):
            with components.explained():
                manifest.remember(key, name, licence=licence.strip())
                st.rerun()
    if manifest.find(key) and change.button(
        "Forget this data set",
        icon=":material/delete:",
        help="Its name, fixes and decoded films, and an uploaded archive. Films on your disk stay where they are.",
    ):
        data.forget(key)
        state.choose_data(state.PHANTOMS)
        st.rerun()


def show(prepared: Prepared) -> None:
    found = state.audited(prepared.folder.name, prepared.source.fixes, prepared)
    parts = split_by_default(prepared.table)
    heading(prepared, found)
    # Only the open tab is drawn.
    overview, audit, numbers, films, about = st.tabs(
        ["Overview", "Audit", "Distributions", "Gallery", "Data card"], key="dataset_tab", on_change="rerun"
    )
    if overview.open:
        with overview:
            show_counts(prepared, parts, found)
            show_means(prepared)
    if audit.open:
        with audit:
            findings.show(found, prepared)
    if numbers.open:
        with numbers:
            show_distributions(prepared, found)
    if films.open:
        with films:
            gallery(prepared, parts, found)
    if about.open:
        with about:
            show_card(prepared, parts)


data_sets.add()
source = components.chosen_data()
if source:
    st.caption(f"{SOURCES[source.source].TITLE} · licence: {source.licence or 'not stated'}")
    with components.explained():
        prepared = components.ensure_prepared(source, ImageSpec())
        if prepared:
            show(prepared)
