"""What a file says of itself, and what is refused for it before anything is decoded."""

import dataclasses
import io

from PIL import Image

from core import dicom
from core.errors import UserError

# As Pillow names them; DICOM comes on top.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
# Endings of a file's name by the format of its header; DICOM files often have none.
ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WebP": (".webp",),
    "DICOM": (".dcm", ".dicom", ".dic", ".ima", ""),
}
FILM_ENDINGS = {ending for endings in ENDINGS.values() for ending in endings}
READABLE = "JPEG, PNG, TIFF, BMP, WebP or DICOM"
SMALLEST_SIDE = 16
LARGEST_PIXELS = 50_000_000
LARGEST_BYTES = 200_000_000
MOST_SCANS = 40
MOST_PAGES = 100
MOST_CHUNKS = 100_000
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L")
ORIENTATION, BITS_PER_SAMPLE, TILE_WIDTH, TILE_LENGTH = 0x0112, 258, 322, 323
COPY = "Copy or export the film again."
AS_PNG = "Export the film as JPEG or PNG and try again."


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded.

    width and height in pixels, as shown upright. colour: it has colour channels. bits per channel, as stored.
    """

    format: str
    width: int
    height: int
    colour: bool = False
    bits: int = 8


def read_header(data: bytes) -> Header:
    """Format, size and depth from the header alone; nothing is decoded.

    Raises UserError if this is no format we read, or if its size is out of bounds.
    """
    return read(data)[0]


def read(data: bytes) -> tuple[Header, int]:
    """The header and the EXIF orientation, 1 to 8; 1 is upright."""
    if not data:
        raise UserError("The file is empty (0 bytes).", fix=COPY)
    if dicom.is_dicom(data):
        film = dicom.describe(data)
        _check_size(film.width, film.height, 2)
        return Header("DICOM", film.width, film.height, bits=film.bits), 1
    return _read_picture(data)


def _read_picture(data: bytes) -> tuple[Header, int]:
    dicom.silence()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            # A JPEG with a second picture behind it calls itself MPO.
            format = {"MPO": "JPEG", "WEBP": "WebP"}.get(picture.format, picture.format)
            bits = _bits(picture, data)
            _check_size(*picture.size, _pixel_bytes(picture, bits))
            _check_kind(picture, format, data)
            orientation = _orientation(picture, data)
            size = picture.size[::-1] if orientation > 4 else picture.size
            return Header(format, *size, colour=picture.mode not in GREY_MODES, bits=bits), orientation
    except Image.DecompressionBombError:
        raise UserError(_too_large("The picture"), fix="Export the film at its usual size.") from None
    except UserError:
        raise
    except Exception:
        # Pillow's parsers answer a broken header with many kinds of exception.
        raise UserError(f"This is not a readable {READABLE} file, whatever its name says.", fix=AS_PNG) from None


def _check_size(width: int, height: int, pixel_bytes: int) -> None:
    """pixel_bytes: what a pixel takes while it is decoded."""
    picture, pixels = f"The picture of {width} × {height} pixels", width * height
    if min(width, height) < SMALLEST_SIDE:
        raise UserError(
            f"The picture is only {width} × {height} pixels.",
            fix=f"Use a film of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels.",
        )
    if pixels > LARGEST_PIXELS:
        raise UserError(_too_large(picture), fix="Export the film at its usual size.")
    if pixels * pixel_bytes > LARGEST_BYTES:
        needs, limit = (f"{size // 1_000_000} MB" for size in (pixels * pixel_bytes, LARGEST_BYTES))
        raise UserError(
            f"{picture} would take {needs} of memory, more than {limit}.",
            fix="Export the film in grey, at its usual size.",
        )


def _too_large(picture: str) -> str:
    return f"{picture} is larger than {LARGEST_PIXELS // 1_000_000} million pixels."


def _bits(picture: Image.Image, data: bytes) -> int:
    if picture.format == "PNG":
        return data[24]
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(BITS_PER_SAMPLE, (1,)))
    return 1 if picture.mode == "1" else 8


def _pixel_bytes(picture: Image.Image, bits: int) -> int:
    channels = 1 if picture.mode in GREY_MODES and picture.mode != "LA" else 3 if picture.mode == "RGB" else 4
    if picture.format == "WEBP":
        # Pillow composes a WebP out of several layers.
        return 8
    # A progressive JPEG keeps its coefficients, of two bytes each, until the last scan.
    return channels * (3 if "progressive" in picture.info else -(-bits // 8))


def _check_kind(picture: Image.Image, format: str, data: bytes) -> None:
    """Refuses by name what opens well and yet is no single grey or colour picture."""
    if format == "TIFF":
        _check_tiff(picture)
    elif "progressive" in picture.info and data.count(b"\xff\xda") > MOST_SCANS:
        raise UserError("This JPEG file is built of absurdly many scans.", fix="Export the film as PNG.")
    elif getattr(picture, "is_animated", False) and format != "JPEG":
        number = f"it holds {picture.n_frames} pictures"
        raise UserError(f"This {format} file is animated: {number}.", fix="Export the film alone.")
    elif format == "PNG" and b"acTL" in _png_chunks(data):
        raise ValueError("an animation that is none")


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Kind and content of the chunks that are not pixels.

    Raises UserError if the end is missing: decoders would believe the length of a chunk that goes beyond the file.
    """
    chunks, place = {}, 8
    for _ in range(MOST_CHUNKS):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if len(data) < place + 12 + length:
            raise UserError("The picture is cut short: its end is missing.", fix=COPY)
        if kind == b"IEND":
            return chunks
        if kind != b"IDAT":
            chunks[kind] = data[place + 8 : place + 8 + length]
        place += 12 + length
    raise ValueError("too many chunks")


def _check_tiff(picture: Image.Image) -> None:
    if picture.mode in ("F", "I"):
        kind = "floating-point numbers" if picture.mode == "F" else "signed or 32-bit numbers"
        raise UserError(f"This TIFF file holds {kind}, not grey levels.", fix="Export the film with 8 or 16 bits.")
    sides = [picture.tag_v2.get(tag) or 0 for tag in (TILE_WIDTH, TILE_LENGTH)]
    if sides[0] * sides[1] > LARGEST_PIXELS:
        raise ValueError("absurd tiles")
    pages = _pages(picture)
    if pages > 1:
        number = f"more than {MOST_PAGES}" if pages > MOST_PAGES else pages
        raise UserError(f"This TIFF file holds {number} pages, not one film.", fix="Export each film as a file.")


def _pages(picture: Image.Image) -> int:
    """How many pages, counted no further than is worth telling."""
    for page in range(1, MOST_PAGES + 1):
        try:
            picture.seek(page)
        except EOFError:
            picture.seek(0)
            return page
    return MOST_PAGES + 1


def _orientation(picture: Image.Image, data: bytes) -> int:
    if picture.format == "TIFF":
        # Pillow and OpenCV turn these by themselves.
        return 1
    # Of a PNG's chunks Pillow reads only those before the pixels.
    exif = picture.info.get("exif") or (_png_chunks(data).get(b"eXIf") if picture.format == "PNG" else None)
    if not exif:
        return 1
    try:
        tags = Image.Exif()
        tags.load(exif)
        orientation = int(tags.get(ORIENTATION, 1))
    except Exception:
        return 1
    return orientation if 1 <= orientation <= 8 else 1
