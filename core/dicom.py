"""DICOM files: what the header says, whether it is a plain chest film, and its pixels in grey.

Messages name modality, body part, sizes and syntaxes; never what could name a patient.
"""

import dataclasses
import io
import logging
import re
import warnings
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from core import dicom_pixels
from core.errors import UserError

if TYPE_CHECKING:  # pydicom takes a quarter of a second to import: only when a DICOM file comes.
    from pydicom import Dataset, FileDataset

LARGEST_PIXELS = 25_000_000
LARGEST_FILE = 256_000_000
LARGEST_VALUE = 1_000_000
MOST_READS = 100_000
HEAD = 1_000_000
DEFLATED, EXPLICIT = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1\0\0\0"

FILMS = ("CR", "DX", "RG")
OTHER_MODALITIES = {
    "CT": "computed tomography",
    "ES": "endoscopy",
    "IO": "intra-oral radiography, teeth",
    "KO": "selection of key objects",
    "MG": "mammography",
    "MR": "magnetic resonance",
    "NM": "nuclear medicine",
    "PR": "presentation state",
    "PT": "positron emission tomography",
    "PX": "panoramic radiography, teeth",
    "RF": "fluoroscopy",
    "RTDOSE": "radiotherapy dose",
    "RTIMAGE": "radiotherapy image",
    "RTPLAN": "radiotherapy plan",
    "RTSTRUCT": "radiotherapy structures",
    "SEG": "segmentation",
    "SR": "structured report",
    "US": "ultrasound",
    "XA": "X-ray angiography",
}
FILM_CLASSES = (
    "Computed Radiography Image Storage",
    "Digital X-Ray Image Storage",
    "Secondary Capture Image Storage",
    "Secondary Capture Image Storage (Retired)",
)
CHEST = re.compile(r"\b(CHEST\w*|THORAX\w*|TORAX|LUNGS?|RIBS?|RIB ?CAGE|STERNUM|PULMONARY|CXR)\b")
OTHER_PARTS = {
    "teeth": r"TEETH|TOOTH|DENTAL|DENTAL ARCH|JAWS?|MANDIBLE|MAXILLA|TMJ|TMJOINT",
    "head": r"HEAD|SKULL|FACE|FACIAL|SINUS|SINUSES|BRAIN|ORBITS?|NOSE|EYE|EAR|CRANIUM",
    "neck": r"NECK|LARYNX|PHARYNX|THYROID",
    "spine": r"\w*SPINE|SPINAL|VERTEBRAE?|LUMBAR|CERVICAL|SACRUM|COCCYX|SCOLIOSIS",
    "breast": r"BREASTS?|MAMMO\w*",
    "abdomen": r"ABD|ABDO|ABDOMEN\w*|ABDOMINAL|KUB|STOMACH|COLON|BOWEL|KIDNEYS?|BLADDER|LIVER",
    "pelvis or hip": r"PELVIS|PELVIC|HIPS?|ACETABULUM",
    "shoulder": r"SHOULDERS?|CLAVICLES?|SCAPULA|AC JOINT",
    "arm": r"ARM|UP ?EXM|HUMERUS|ELBOWS?|FOREARMS?|RADIUS|ULNA",
    "hand": r"HANDS?|WRISTS?|FINGERS?|THUMBS?|CARPAL",
    "leg": r"LEGS?|FEMUR|THIGH|KNEES?|PATELLA|TIBIA|FIBULA|CALF",
    "foot": r"FOOT|FEET|ANKLES?|TOES?|HEELS?|CALCANEUS",
    "a limb": r"EXTREMITY|EXTREMITIES|LIMBS?",
    "the whole body": r"WHOLE ?BODY|BABYGRAM",
}
UNTOLD = ("", "UNKNOWN", "UNDEFINED", "OTHER", "NA", "N/A", "NONE", "UNSPECIFIED", "DEFAULT")
TEXTS = ("StudyDescription", "SeriesDescription", "ProtocolName")
READ = (
    "SpecificCharacterSet SOPClassUID Modality PatientID BodyPartExamined ViewPosition BurnedInAnnotation "
    "SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns BitsAllocated BitsStored HighBit "
    "PixelRepresentation PlanarConfiguration PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept RescaleSlope "
    "WindowCenter WindowWidth VOILUTFunction PixelData ExtendedOffsetTable ExtendedOffsetTableLengths "
    "ModalityLUTSequence VOILUTSequence AnatomicRegionSequence PatientAge"
)
AS_PNG = dicom_pixels.AS_PNG
NOISY = r"(pydicom|PIL)\."
DAMAGED = "The DICOM file is damaged and cannot be decoded."
COPY = "Copy or export the film again."


@dataclasses.dataclass(frozen=True)
class Description:
    """What a header says of a film, no pixels read.

    patient_id: as stored, "" if missing; to be hashed, never shown. view, body_part: "" if missing.
    width, height in pixels; bits per pixel as stored.
    """

    patient_id: str
    view: str
    modality: str
    body_part: str
    width: int
    height: int
    bits: int
    burned_in: bool


def is_dicom(data: bytes) -> bool:
    """Whether these bytes are DICOM; without its mark they must parse as an object of a known class."""
    if data[128:132] == b"DICM":
        return True
    # Objects without file meta information begin with group 2 or 8, either byte order.
    if data[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    try:
        header = _parse(data[:HEAD], pixels=False)[0]
        return str(header.get("SOPClassUID", "")).startswith("1.2.840.") and ("Rows" in header or "Modality" in header)
    except Exception:
        return False


def describe(source: BinaryIO | bytes) -> Description:
    """What the header says; the pixels are not read.

    Raises UserError if it is no usable plain film of a chest.
    """
    data = source if isinstance(source, bytes) else source.read(HEAD)
    header, has_pixels = opened(data, pixels=False)
    if not has_pixels and not isinstance(source, bytes) and len(data) == HEAD:
        header, has_pixels = opened(data + source.read(LARGEST_FILE), pixels=False)
    return _checked(header, has_pixels)


def decode(data: bytes) -> np.ndarray:
    """The film as a screen would show it: modality LUT, window or VOI LUT, then MONOCHROME1 inverted.

    Returns (height, width) uint8. Raises UserError if it is damaged or no usable plain film of a chest.
    """
    film, has_pixels = opened(data, pixels=True)
    _checked(film, has_pixels or b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data)
    if "PixelData" not in film:
        raise UserError("The DICOM file is cut short: its pixels are missing.", fix=COPY)
    try:
        return dicom_pixels.decode(film)
    except UserError:
        raise
    except Exception:
        # Codecs and header values fail in many ways, and their messages may quote the header.
        raise UserError(DAMAGED, fix=COPY) from None


class _CountedReads(io.BytesIO):
    """Ends a parse that would take for ever: a file of millions of tiny elements."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MOST_READS:
            raise ValueError("too many elements")
        return super().read(size)


def silence() -> None:
    """Keeps the warnings of pydicom and Pillow off the log; unlike warnings.catch_warnings this is safe in threads."""
    first = warnings.filters[0][3] if warnings.filters else None
    if getattr(first, "pattern", "") != NOISY:
        warnings.filterwarnings("ignore", module=NOISY)


def opened(data: bytes, pixels: bool) -> "tuple[FileDataset, bool]":
    """The elements that we read, none checked, and whether pixels are there. Raises UserError if it is damaged."""
    try:
        return _parse(data, pixels)
    except UserError:
        raise
    except Exception:
        raise UserError(DAMAGED, fix=COPY) from None


def _parse(data: bytes, pixels: bool) -> "tuple[FileDataset, bool]":
    """The elements we need, and whether pixels are there."""
    import pydicom

    silence()
    logging.getLogger("pydicom").disabled = True
    file = _CountedReads(_inflated(data))
    tags = [*READ.split(), *TEXTS, dicom_pixels.OVERLAY_BIT]
    film = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels, specific_tags=tags)
    for element in film.elements():
        value = element.value
        if element.tag != 0x7FE00010 and isinstance(value, bytes) and len(value) > LARGEST_VALUE:
            raise ValueError("an element of absurd length")
    return film, "PixelData" in film or file.tell() < len(file.getbuffer())


def _inflated(data: bytes) -> bytes:
    """A deflated object as a plain one, and no more of it than a film can hold."""
    from pydicom.filereader import read_dataset

    if data[128:132] != b"DICM" or DEFLATED not in data[:HEAD]:
        return data
    file = _CountedReads(data)
    file.seek(132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != DEFLATED.decode():
        return data
    start = file.tell()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(data[start:], 2 * LARGEST_PIXELS + HEAD)
    if inflater.unconsumed_tail:
        raise _too_large("The DICOM file")
    return data[:start].replace(DEFLATED, EXPLICIT) + content


def _too_large(what: str) -> UserError:
    return UserError(
        f"{what} is larger than {LARGEST_PIXELS // 1_000_000} million pixels.", fix="Export the film at its usual size."
    )


def _checked(header: "FileDataset", has_pixels: bool) -> Description:
    try:
        _check_is_a_picture(header, has_pixels)
        modality, body_part = _text(header, "Modality"), _text(header, "BodyPartExamined")
        _check_modality(header, modality, body_part)
        _check_body_part(header, body_part)
        _check_picture(header)
        return Description(
            patient_id=str(header.get("PatientID") or ""),
            view=_text(header, "ViewPosition"),
            modality=modality,
            body_part=body_part,
            width=int(header.Columns),
            height=int(header.Rows),
            bits=int(header.BitsStored),
            burned_in=_text(header, "BurnedInAnnotation") == "YES",
        )
    except UserError:
        raise
    except Exception:
        raise UserError(DAMAGED, fix=COPY) from None


def _text(header: "Dataset", name: str) -> str:
    return str(header.get(name) or "").strip().upper()


def _words(text: str) -> str:
    return re.sub(r"[^A-Z]+", " ", text)


def _check_is_a_picture(header: "FileDataset", has_pixels: bool) -> None:
    kind = header.file_meta.get("MediaStorageSOPClassUID", "")
    if kind == "1.2.840.10008.1.3.10":
        raise UserError(
            "This is a DICOMDIR, the table of contents of a disc; it holds no film.",
            fix="Choose the image files beside it, often in a folder named DICOM or IMAGES.",
        )
    if "Rows" in header and "Columns" in header and has_pixels:
        return
    if not any(name in header for name in ("SOPClassUID", "Modality", "Rows")):
        raise UserError("This is not a readable DICOM file, whatever its name says.", fix=AS_PNG)
    modality = _text(header, "Modality")
    word = OTHER_MODALITIES.get(modality)
    raise UserError(
        "This DICOM file holds no picture" + (f": it is labelled {modality} ({word})." if word else "."),
        fix="Choose the DICOM file of the film itself (CR or DX).",
    )


def _check_modality(header: "FileDataset", modality: str, body_part: str) -> None:
    from pydicom.uid import UID

    if modality in FILMS:
        return
    if modality == "OT":
        if CHEST.search(_words(body_part)):
            return
        what = "This DICOM file is labelled OT (other) and does not say that it shows a chest."
    elif modality:
        # An unknown label may hold anything, so it is not repeated.
        word = OTHER_MODALITIES.get(modality)
        what = f"This DICOM file is labelled {modality} ({word})" if word else "This DICOM file has an unknown modality"
        what += ", not a plain X-ray film."
    else:
        uid = UID(str(header.get("SOPClassUID") or ""))
        if uid.name.split(" - ")[0] in FILM_CLASSES or not uid.keyword:
            return
        what = f"This DICOM file is of the kind “{uid.name}”, not a plain X-ray film."
    raise UserError(
        what,
        fix="Choose a chest radiograph (modality CR or DX). If this is one and only its header is wrong, export it as "
        "PNG.",
    )


def _check_body_part(header: "FileDataset", body_part: str) -> None:
    told = body_part not in UNTOLD
    texts = [body_part] if told else [_text(header, name) for name in TEXTS]
    if not told:
        texts += [_text(item, "CodeMeaning") for item in header.get("AnatomicRegionSequence") or []]
    text = _words(" ".join(texts))
    other = next((part for part, words in OTHER_PARTS.items() if re.search(rf"\b({words})\b", text)), "")
    if CHEST.search(text) or (not told and not other):
        return
    # Only words of our own are repeated: a free text may hold a name.
    shows = f"shows {other}, not a chest" if other else "shows another part of the body than the chest"
    raise UserError(
        f"This DICOM file says that it {shows}.",
        fix="Choose a chest film. If this is one and only its header is wrong, export it as PNG.",
    )


def _check_picture(header: "FileDataset") -> None:
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise UserError(f"This DICOM file holds {frames} frames, not one film.", fix="Export the film alone.")
    if int(header.get("SamplesPerPixel") or 1) != 1 or "MONOCHROME" not in _text(header, "PhotometricInterpretation"):
        raise UserError(
            "The picture in this DICOM file is in colour, not a grey X-ray film.",
            fix="Choose the film itself, or export it in grey as PNG.",
        )
    width, height = int(header.Columns), int(header.Rows)
    if width * height > LARGEST_PIXELS:
        raise _too_large(f"The picture of {width} × {height} pixels")
    if int(header.BitsAllocated) not in (8, 16) or not 1 <= int(header.BitsStored) <= int(header.BitsAllocated):
        raise UserError(
            f"The pixels of this DICOM file have {int(header.BitsAllocated)} bits; films have 8 to 16.", fix=AS_PNG
        )
