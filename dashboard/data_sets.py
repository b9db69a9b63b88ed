"""Adding a data set: a place on this machine, an uploaded archive, a table, Kaggle."""

from pathlib import Path

import streamlit as st

from core import data, jobs
from core.data import csv_table, kaggle_hub, manifest, zip_upload
from core.errors import UserError
from dashboard import components, state

WAYS = ("On this machine", "Upload a .zip", "From Kaggle")
LARGEST_UPLOAD = 2000
MOST_LABELS = 200


def add() -> None:
    """The panel that adds a data set and makes it the visitor's."""
    with st.expander("Add a data set", icon=":material/create_new_folder:"):
        way = st.segmented_control("Where the films are", WAYS, default=WAYS[0], required=True, key="add_way")
        {WAYS[0]: _from_disk, WAYS[1]: _from_upload, WAYS[2]: _from_kaggle}[way]()


def _remember(key: str, name: str) -> None:
    """Remembers the set and shows it. Raises UserError if it cannot be read or the name is taken."""
    found = data.load(key)
    manifest.remember(found.key, name)
    st.session_state.pop(state.TABLE, None)
    state.choose_data(found.key)
    st.rerun()


def _from_disk() -> None:
    st.markdown(
        "A folder with **NORMAL** and **PNEUMONIA**, or with **train**, **val** and **test** and those two inside; a "
        "**CSV table** beside its films; a MedMNIST **.npz**; a **.zip**. DICOM files are welcome in all but the "
        "archive of arrays. The films stay where they are."
    )
    with st.form("folder", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.text_input("Folder or file", placeholder="/data/chest_xray", key="folder_path")
        name = st.text_input("Name (optional)", key="folder_name", max_chars=manifest.LONGEST_NAME)
        pressed = st.form_submit_button("Add", icon=":material/check:")
    if pressed:
        with components.explained():
            if csv_table.recognises(place.strip()):
                st.session_state[state.TABLE] = str(csv_table.table_file(place.strip()))
            else:
                st.session_state.pop(state.TABLE, None)
                _remember(place.strip(), name)
    if table := st.session_state.get(state.TABLE):
        with components.explained():
            _columns(Path(table), name)


def _columns(path: Path, name: str) -> None:
    """Asks which column of a table says what, with the best guess filled in."""
    table = csv_table.read(path)
    columns = [str(column) for column in table.columns]
    try:
        guess = csv_table.guess(path)
    except UserError:
        guess = csv_table.Columns(columns[0], columns[1])
    st.markdown(f"**{len(table):,} rows in {components.plain(path.name)}.** Which column says what?")
    none = "(none)"
    chosen = {}
    with st.grid(5, min_column_width=150):
        for field, label in (("file", "File"), ("label", "Label")):
            chosen[field] = st.selectbox(label, columns, columns.index(getattr(guess, field)), key=f"column_{field}")
        for field, label in (("patient", "Patient"), ("split", "Official part"), ("view", "View")):
            options = [none, *columns]
            found = st.selectbox(label, options, options.index(getattr(guess, field) or none), key=f"column_{field}")
            chosen[field] = "" if found == none else found
    known = csv_table.NORMAL_WORDS | csv_table.PNEUMONIA_WORDS
    # Tables of findings hold hundreds of combinations: those we know first, then the most frequent.
    counted = table[chosen["label"]].value_counts().index.tolist()
    values = sorted(counted, key=lambda value: csv_table.word(value) not in known)[:MOST_LABELS]
    words = {"normal": csv_table.NORMAL_WORDS, "pneumonia": csv_table.PNEUMONIA_WORDS}
    for field, label in (("normal", "Labels that mean NORMAL"), ("pneumonia", "Labels that mean PNEUMONIA")):
        meant = [value for value in values if csv_table.word(value) in words[field]]
        chosen[field] = tuple(st.multiselect(label, values, meant, key=f"column_{field}_{chosen['label']}"))
    st.caption("Rows with any other label are left out. Patients are kept as salted hashes only.")
    if st.button("Use this table", type="primary", icon=":material/check:"):
        mapping = csv_table.columns_from(chosen, columns)
        data.remember_table(path, name, mapping.to_json())
        _remember(str(path), "")


def _from_upload() -> None:
    st.markdown(
        "An archive of class folders. It is kept in the workspace and read as it is; archives with links, passwords, "
        "other archives or paths that lead out of it are refused."
    )
    with st.form("archive", border=False):
        file = st.file_uploader("Archive (.zip)", type="zip", max_upload_size=LARGEST_UPLOAD, key="archive")
        name = st.text_input("Name (optional)", key="archive_name", max_chars=manifest.LONGEST_NAME)
        pressed = st.form_submit_button("Add", icon=":material/check:")
    if pressed:
        with components.explained():
            if not file:
                raise UserError("No archive is chosen.", fix="Drop a .zip above first.")
            kept = zip_upload.receive(file, file.name)
            try:
                _remember(str(kept), name or manifest.free_name(Path(file.name).stem))
            except UserError:
                if manifest.find(str(kept)) is None:
                    zip_upload.discard(str(kept))
                raise


def _from_kaggle() -> None:
    handle = st.text_input(
        "Data set of Kaggle",
        kaggle_hub.CHEST_XRAY.removeprefix(kaggle_hub.PREFIX),
        key="kaggle_handle",
        help="OWNER/NAME, as in its address on kaggle.com.",
    )
    key = kaggle_hub.PREFIX + handle.strip()
    with components.explained():
        if kaggle_hub.is_downloaded(key):
            st.markdown("It is on this machine.")
            if st.button("Use it", icon=":material/check:"):
                _remember(key, "")
            return
        folder = state.download_folder(key)
        if not jobs.is_alive(folder):
            st.caption("A download of more than a gigabyte. The films go into the workspace, and from there nowhere.")
        command = ["download", "--data", key]
        components.offer_job(folder, command, "Download", "Downloading from Kaggle", ":material/download:", False)
