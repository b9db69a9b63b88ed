"""From the bytes of a picture to the grey square that every network sees."""

import base64
import dataclasses
import io
import math

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from core import dicom, headers
from core.errors import UserError
from core.headers import COPY, FORMATS, Header, read_header

__all__ = [
    "EQUALISATIONS",
    "FRAMINGS",
    "Header",
    "ImageSpec",
    "colourfulness",
    "data_uri",
    "equalised",
    "read_header",
    "standardise",
]

FRAMINGS = ("stretch", "pad", "crop")
EQUALISATIONS = ("none", "clahe")
# As Zuiderveld 1994 has it: no grey level may take more than twice its fair share, in each of 8 × 8 tiles.
CLAHE_LIMIT, CLAHE_TILES = 2.0, (8, 8)
# Depths that X-ray detectors deliver inside a 16-bit file.
DEEP_BITS = (10, 12, 14, 16)
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
# How much larger than the square a JPEG is decoded at least: less is faster and strays more (benchmarks/README.md).
MARGIN = 1.0
# Up to this ratio INTER_LINEAR strays no more than INTER_AREA from what full decoding gives, and takes a fifth.
LINEAR_UP_TO = 2.0

# Films are decoded in threads of our own: OpenCV's would only get in their way.
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """How a film is brought into shape. It lies in every model's card.

    size: side of the square in pixels. framing: "stretch" (the convention of published results), "pad" (keeps the
    proportions, black borders) or "crop" (keeps the proportions, the middle). equalise: "none" or "clahe"
    (contrast-limited adaptive histogram equalisation: a pale film and a dark one come out alike). Raises UserError for
    another framing or equalisation.
    """

    size: int = 150
    framing: str = "stretch"
    equalise: str = "none"

    def __post_init__(self):
        for what, known in (("framing", FRAMINGS), ("equalise", EQUALISATIONS)):
            if (name := getattr(self, what)) not in known:
                raise UserError(f"There is no {what} “{name}”.", fix=f"Choose one of {', '.join(known)}.")


def standardise(data: bytes, spec: ImageSpec) -> np.ndarray:
    """The film as every network sees it: the one road from a file to pixels.

    data: bytes of a file in any format we read, grey or colour, up to 16 bits. Returns (size, size) uint8.
    Raises UserError if the picture is broken, cut short or out of bounds.
    """
    header, orientation = headers.read(data)
    try:
        if header.format == "JPEG" and orientation == 1:
            grey, scale = _decode_jpeg(data, header, spec)
            return equalised(_framed(grey, (header.height / scale, header.width / scale), spec, scale > 1), spec)
        grey = _upright(_decode(data, header), orientation)
        return equalised(_framed(grey, grey.shape, spec, reduced=False), spec)
    except UserError:
        raise
    except Exception:
        # Decoders answer a broken body with many kinds of exception.
        raise UserError("The picture is damaged and cannot be decoded.", fix=COPY) from None


def colourfulness(data: bytes, header: Header) -> float:
    """Mean absolute difference between the colour channels, in grey levels; 0.0 for a file without them.

    A grey film saved as RGB gives about 0. A JPEG is decoded at an eighth. Raises UserError if it is broken.
    """
    if not header.colour:
        return 0.0
    try:
        colours = cv2.split(_small_colours(data, header))
    except Exception:
        raise UserError("The picture is damaged and cannot be decoded.", fix=COPY) from None
    return float(np.mean([cv2.absdiff(colours[one], colours[other]).mean() for one, other in ((0, 1), (1, 2), (0, 2))]))


def _small_colours(data: bytes, header: Header) -> np.ndarray:
    """(height, width, 3) uint8."""
    if header.format == "JPEG" and simplejpeg.decode_jpeg_header(data, strict=False)[2] == "YCbCr":
        return simplejpeg.decode_jpeg(data, strict=False, min_height=1, min_width=1)
    if header.format == "JPEG":
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        small = picture.convert("RGB") if picture.mode in ("P", "PA") else picture
        return np.asarray(small.reduce(max(1, min(small.size) // 128)).convert("RGB"))


def _decode(data: bytes, header: Header) -> np.ndarray:
    """(height, width) uint8; JPEG, PNG and WebP as stored, not yet upright."""
    if header.format == "JPEG":
        _check_jpeg_end(data)
    if header.format == "DICOM":
        return dicom.decode(data)
    if header.format in ("TIFF", "BMP", "WebP") and not (header.bits > 8 and header.colour):
        return _decode_with_pillow(data)
    mode = cv2.IMREAD_UNCHANGED if header.format != "JPEG" else cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    return _to_eight_bits(_to_grey(cv2.imdecode(np.frombuffer(data, np.uint8), mode)))


def _check_jpeg_end(data: bytes) -> None:
    """Decoders fill a missing rest with grey, so the end marker must be there."""
    end = data.rfind(b"\xff\xd9")
    # A thumbnail in the header has an end marker of its own, with scans behind it.
    if end < 0 or data.find(b"\xff\xda", end) >= 0:
        raise UserError("The picture is cut short: its end is missing.", fix=COPY)


def _decode_jpeg(data: bytes, header: Header, spec: ImageSpec) -> tuple[np.ndarray, int]:
    """(height, width) uint8 of an upright JPEG, and how many times smaller than the film it was decoded.

    libjpeg leaves out detail that the resize would average away. Its scales of 1/2, 1/4 and 1/8 are true means.
    """
    _check_jpeg_end(data)
    if simplejpeg.decode_jpeg_header(data, strict=False)[2] not in ("Gray", "YCbCr"):
        return _decode(data, header), 1
    width, height = header.width, header.height
    side = max(width, height) if spec.framing == "pad" else min(width, height)
    # A crop must begin on a whole pixel at every scale.
    start = abs(width - height) // 2 if spec.framing == "crop" else 0
    scale = next((scale for scale in (8, 4, 2) if side >= scale * MARGIN * spec.size and start % scale == 0), 1)
    least = {"min_height": -(-height // scale), "min_width": -(-width // scale)}
    return simplejpeg.decode_jpeg(data, "GRAY", strict=False, **least)[..., 0], scale


def _decode_with_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        # Pillow turns white-is-zero round for up to 8 bits only.
        inverted = picture.mode.startswith("I;16") and picture.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO
        picture.load()
        if picture.mode.startswith("I;16"):
            grey = _to_eight_bits(np.asarray(picture))
            return 255 - grey if inverted else grey
        if picture.mode in ("P", "PA", "CMYK", "YCbCr", "RGBX"):
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        grey = np.asarray(picture.getchannel("L") if picture.mode in ("LAB", "LA") else picture.convert("L"))
        return _on_black(grey, np.asarray(picture.getchannel("A"))) if "A" in picture.getbands() else grey


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
        return _on_black(cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY), np.ascontiguousarray(picture[:, :, 3]))
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def _on_black(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Transparent means nothing was there: black, like the air around a patient."""
    return cv2.multiply(grey, alpha, scale=1 / np.iinfo(alpha.dtype).max)


def _upright(grey: np.ndarray, orientation: int) -> np.ndarray:
    """As EXIF's orientations 1 to 8 say."""
    if orientation > 4:
        grey = grey.T
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    return np.ascontiguousarray(grey)


def _framed(grey: np.ndarray, extent: tuple[float, float], spec: ImageSpec, reduced: bool) -> np.ndarray:
    """(height, width) uint8 to the square; extent: the film's true height and width in its pixels."""
    size, (height, width) = spec.size, extent
    if spec.framing == "stretch":
        return _resized(grey, extent, (size, size), reduced)
    if spec.framing == "crop":
        side = min(extent)
        top, left = int(height - side) // 2, int(width - side) // 2
        middle = grey[top:, left:][: math.ceil(side), : math.ceil(side)]
        return _resized(middle, (side, side), (size, size), reduced)
    rows, columns = (max(1, round(size * length / max(extent))) for length in extent)
    square = np.zeros((size, size), np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    square[top : top + rows, left : left + columns] = _resized(grey, extent, (rows, columns), reduced)
    return square


def equalised(square: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """The last step of `standardise`: evens out the contrast where the spec asks for it. (size, size) uint8."""
    # Made anew each time: an OpenCV object of this kind must not be shared by threads.
    return square if spec.equalise == "none" else cv2.createCLAHE(CLAHE_LIMIT, CLAHE_TILES).apply(square)


def _resized(grey: np.ndarray, extent: tuple[float, float], shape: tuple[int, int], reduced: bool) -> np.ndarray:
    ratios = [new / length for new, length in zip(shape, extent, strict=True)]
    least = 1 / LINEAR_UP_TO if reduced else 1
    method = cv2.INTER_LINEAR if min(ratios) >= least else cv2.INTER_AREA
    if max(ratios) > 1 or grey.shape == extent:
        return cv2.resize(grey, shape[::-1], interpolation=method)
    # By ratio, not by shape: a film whose width is no multiple of 8 fills the last pixel in part only.
    return cv2.resize(grey, None, fx=ratios[1], fy=ratios[0], interpolation=method)[: shape[0], : shape[1]]


def data_uri(picture: np.ndarray) -> str:
    """A picture as text that a page can hold: (height, width) or (height, width, 3) RGB, uint8, as PNG."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    content = cv2.imencode(".png", picture)[1].tobytes()
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
