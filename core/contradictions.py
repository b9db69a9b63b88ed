"""What a DICOM header says against its own picture, or against the films that a model knows.

Messages hold words of our own and a few fixed codes, never free text: that may hold a name.
"""

import dataclasses
import re
from typing import TYPE_CHECKING

from core import dicom

if TYPE_CHECKING:
    from pydicom import Dataset

FRONTAL = ("AP", "PA")
OTHER_VIEWS = {"LL": "left lateral", "RL": "right lateral", "LATERAL": "lateral", "LAT": "lateral"}
ADULT_YEARS = 18
NOT_INVERTED = (
    "Its DICOM header says MONOCHROME1 (white is zero), but its pixels are not inverted: it was judged as they are."
)


@dataclasses.dataclass(frozen=True)
class Claims:
    """What a DICOM header says: warnings, in words; white_is_zero: that black and white are to be exchanged."""

    warnings: tuple[str, ...] = ()
    white_is_zero: bool = False


def claims(data: bytes) -> Claims:
    """What the header of a DICOM file claims; nothing for files of other formats. Raises UserError if it is damaged."""
    if not dicom.is_dicom(data):
        return Claims()
    header, _ = dicom.opened(data, pixels=False)
    found = [_about_modality(header), _about_part(header), _about_view(header), _about_age(header)]
    if _word(header, "BurnedInAnnotation") == "YES":
        found.append("Its DICOM header says that text is burned into the picture, which may sway the answer.")
    return Claims(tuple(text for text in found if text), _word(header, "PhotometricInterpretation") == "MONOCHROME1")


def _word(header: "Dataset", name: str) -> str:
    return str(header.get(name) or "").strip().upper()


def _about_modality(header: "Dataset") -> str:
    modality = _word(header, "Modality")
    if modality in dicom.FILMS:
        return ""
    known = dicom.OTHER_MODALITIES.get(modality)
    said = f"{modality} ({known})" if known else "OT (other)" if modality == "OT" else "no modality that we know"
    return f"Its DICOM header says {said}, not a plain X-ray film (CR or DX)."


def _about_part(header: "Dataset") -> str:
    part = _word(header, "BodyPartExamined")
    if part in dicom.UNTOLD or dicom.CHEST.search(part):
        return ""
    return "Its DICOM header names another part of the body than the chest."


def _about_view(header: "Dataset") -> str:
    view = _word(header, "ViewPosition")
    if view in dicom.UNTOLD or view in FRONTAL:
        return ""
    said = f"is {OTHER_VIEWS[view]}" if view in OTHER_VIEWS else "is neither PA nor AP"
    return f"Its DICOM header says that the view {said}: the model knows frontal films."


def _about_age(header: "Dataset") -> str:
    # As DICOM writes an age: three digits and D, W, M or Y.
    match = re.fullmatch(r"(\d{3})Y", _word(header, "PatientAge"))
    return "Its DICOM header says that the patient is grown up." if match and int(match[1]) >= ADULT_YEARS else ""
