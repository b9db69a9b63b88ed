"""Films from wherever people keep them. A new source is one file and one line in SOURCES."""

import dataclasses
from pathlib import Path
from typing import Any

from core.data import (
    class_folders,
    csv_table,
    dicom_folder,
    identity,
    kaggle_folder,
    kaggle_hub,
    manifest,
    npz,
    phantoms,
    zip_upload,
)
from core.data.prepare import remove_prepared
from core.data.sample import DataSet
from core.errors import UserError

# Each has a TITLE, `recognises(key) -> bool` and `load(key) -> DataSet`; the first that recognises a key has it.
SOURCES = {
    "phantoms": phantoms,
    "kaggle_hub": kaggle_hub,
    "npz": npz,
    "zip_upload": zip_upload,
    "csv_table": csv_table,
    "dicom_folder": dicom_folder,
    "kaggle_folder": kaggle_folder,
    "class_folders": class_folders,
}


def load(text: str) -> DataSet:
    """The data set of that name or key ("phantoms", a path, kaggle:OWNER/NAME), with what is remembered of it.

    Raises UserError if there is none.
    """
    key = manifest.key_of(text)
    kind, source = next((kind, source) for kind, source in SOURCES.items() if source.recognises(key))
    found = source.load(key)
    kept = manifest.find(found.key)
    if kept is None:
        return dataclasses.replace(found, source=kind)
    return dataclasses.replace(
        found, source=kind, name=kept.name, licence=kept.licence or found.licence, fixes=kept.fixes
    )


def remember_table(path: Path, name: str, columns: dict[str, Any], **changes: Any) -> manifest.Manifest:
    """Remembers a table with its columns; raises UserError, and leaves all as it was, if no films come of them."""
    key = str(path)
    before = manifest.find(key)
    kept = manifest.remember(key, name, columns=columns, **changes)
    try:
        load(key)
    except UserError:
        if before:
            manifest.remember(key, before.name, columns=before.columns, licence=before.licence)
        else:
            manifest.forget(key)
        raise
    return kept


def forget(key: str) -> None:
    """Drops all that is kept of a data set: name, fixes, decoded films, an uploaded archive.

    Films that lie elsewhere stay. Raises UserError if nothing is remembered under that key.
    """
    manifest.forget(key)
    remove_prepared(key)
    identity.forget_headers(key)
    zip_upload.discard(key)
