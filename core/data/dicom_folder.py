"""DICOM files in class folders; the patient comes from each header, as a salted hash."""

import itertools
from importlib.resources.abc import Traversable
from pathlib import PurePath

from core import dicom
from core.data import tree
from core.data.identity import DICOM_ENDINGS
from core.errors import UserError

TITLE = "DICOM folder"
load = tree.load_folder
# Enough to pass over a stray note; a folder is not searched through to learn its kind.
LOOKED_AT = 5


def recognises(key: str) -> bool:
    """A folder of class folders whose first files hold a DICOM object."""
    try:
        parts = tree.find(tree.existing_folder(key)).parts
        return any(
            _is_dicom(path)
            for classes in parts.values()
            for folders in classes.values()
            for folder in folders
            for path, _ in itertools.islice(tree.files(folder, ""), LOOKED_AT)
            if PurePath(path.name).suffix.lower() in DICOM_ENDINGS
        )
    except (OSError, UserError):
        return False


def _is_dicom(path: Traversable) -> bool:
    with path.open("rb") as file:
        return dicom.is_dicom(file.read(dicom.HEAD))
