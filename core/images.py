"""From the bytes of a picture to the grey square that every network sees."""

import dataclasses
import io
import warnings

import cv2
import numpy as np
from PIL import Image

from core.errors import UserError

FORMATS = ("JPEG", "PNG")
SMALLEST_SIDE = 16
LARGEST_PIXELS = 50_000_000
# Depths that X-ray detectors deliver inside a 16-bit file.
DEEP_BITS = (10, 12, 14, 16)

# Films are decoded in threads of our own: OpenCV's would only get in their way.
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """How a film is brought into shape. It lies in every model's card.

    size: side of the square in pixels. framing: "stretch" (the convention of published results).
    """

    size: int = 150
    framing: str = "stretch"


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded. width and height in pixels."""

    format: str
    width: int
    height: int


def read_header(data: bytes) -> Header:
    """Format and size from the first bytes alone; nothing is decoded.

    Raises UserError if this is no JPEG or PNG, or if its size is out of bounds.
    """
    if not data:
        raise UserError("The file is empty (0 bytes).", fix="Copy or export the film again.")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # A JPEG with a second picture behind it calls itself MPO.
            header = Header("PNG" if picture.format == "PNG" else "JPEG", *picture.size)
    except Image.DecompressionBombError:
        raise UserError(_too_large("The picture"), fix="Export the film at its usual size.") from None
    except Exception:
        # Pillow's parsers answer a broken header with many kinds of exception.
        raise UserError(
            "This is not a readable JPEG or PNG picture, whatever its name says.",
            fix="Export the film as JPEG or PNG and try again.",
        ) from None
    if min(header.width, header.height) < SMALLEST_SIDE:
        raise UserError(
            f"The picture is only {header.width} × {header.height} pixels.",
            fix=f"Use a film of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels.",
        )
    if header.width * header.height > LARGEST_PIXELS:
        raise UserError(
            _too_large(f"The picture of {header.width} × {header.height} pixels"),
            fix="Export the film at its usual size.",
        )
    return header


def _too_large(picture: str) -> str:
    return f"{picture} is larger than {LARGEST_PIXELS // 1_000_000} million pixels."


def standardise(data: bytes, spec: ImageSpec) -> np.ndarray:
    """The film as every network sees it: the one road from a file to pixels.

    data: bytes of a JPEG or PNG (grey, RGB, RGBA or 16-bit). Returns (size, size) uint8.
    Raises UserError if the picture is broken, cut short or out of bounds.
    """
    grey = _decode(data, read_header(data), spec.size)
    shrinks = max(grey.shape) > spec.size
    return cv2.resize(grey, (spec.size, spec.size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _decode(data: bytes, header: Header, size: int) -> np.ndarray:
    if _is_cut_short(data, header.format):
        raise UserError("The picture is cut short: its end is missing.", fix="Copy or export the film again.")
    buffer = np.frombuffer(data, np.uint8)
    try:
        if header.format == "JPEG":
            picture = cv2.imdecode(buffer, _reduced_mode(header, size))
        else:
            picture = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None:
        raise UserError("The picture is damaged and cannot be decoded.", fix="Copy or export the film again.")
    return _to_grey(_to_eight_bits(picture))


def _is_cut_short(data: bytes, format: str) -> bool:
    if format == "PNG":
        return b"IEND" not in data
    # Decoders fill a missing rest with grey, so look for the end marker behind the last scan.
    return data.find(b"\xff\xd9", data.rfind(b"\xff\xda")) < 0


def _reduced_mode(header: Header, size: int) -> int:
    """libjpeg can leave out detail that the resize would average away: decode at half size.

    Half size is two thirds faster and stays within a grey level of full decoding; a quarter is faster
    still, but strays by nearly two (benchmarks/README.md).
    """
    if min(header.width, header.height) >= 4 * size:
        return cv2.IMREAD_REDUCED_GRAYSCALE_2
    return cv2.IMREAD_GRAYSCALE


def _to_eight_bits(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    peak = int(picture.max())
    bits = next(bits for bits in DEEP_BITS if peak < 2**bits)
    return (picture >> (bits - 8)).astype(np.uint8)


def _to_grey(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 4:
        # Transparent means nothing was there: black, like the air around a patient.
        alpha = picture[:, :, 3].astype(np.uint16)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY)
        return (grey * alpha // 255).astype(np.uint8)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
