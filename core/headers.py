"""What a file says of itself, and what is refused for it before anything is decoded."""

import dataclasses
import io

from PIL import Image

from core import dicom
from core.errors import UserError

# As Pillow names them; DICOM comes on top.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
READABLE = "JPEG, PNG, TIFF, BMP, WebP or DICOM"
SMALLEST_SIDE = 16
LARGEST_PIXELS = 50_000_000
LARGEST_BYTES = 200_000_000
MOST_SCANS = 40
MOST_PAGES = 100
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
        header, orientation, pixel_bytes = Header("DICOM", film.width, film.height, bits=film.bits), 1, 2
    else:
        header, orientation, pixel_bytes = _read_picture(data)
    _check_size(header, pixel_bytes)
    return header, orientation


def _read_picture(data: bytes) -> tuple[Header, int, int]:
    """The header, the orientation and the bytes that a pixel takes while it is decoded."""
    dicom.silence()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            # A JPEG with a second picture behind it calls itself MPO.
            format = {"MPO": "JPEG", "WEBP": "WebP"}.get(picture.format, picture.format)
            bits = _bits(picture, data)
            _check_kind(picture, format, data)
            orientation = _orientation(picture, data)
            size = picture.size[::-1] if orientation > 4 else picture.size
            header = Header(format, *size, colour=picture.mode not in GREY_MODES, bits=bits)
            return header, orientation, _pixel_bytes(picture, bits)
    except Image.DecompressionBombError:
        raise UserError(_too_large("The picture"), fix="Export the film at its usual size.") from None
    except UserError:
        raise
    except Exception:
        # Pillow's parsers answer a broken header with many kinds of exception.
        raise UserError(f"This is not a readable {READABLE} file, whatever its name says.", fix=AS_PNG) from None


def _check_size(header: Header, pixel_bytes: int) -> None:
    if min(header.width, header.height) < SMALLEST_SIDE:
        raise UserError(
            f"The picture is only {header.width} × {header.height} pixels.",
            fix=f"Use a film of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels.",
        )
    pixels = header.width * header.height
    what = f"The picture of {header.width} × {header.height} pixels"
    if pixels > LARGEST_PIXELS:
        raise UserError(_too_large(what), fix="Export the film at its usual size.")
    if pixels * pixel_bytes > LARGEST_BYTES:
        raise UserError(
            f"{what} would take {pixels * pixel_bytes // 1_000_000} MB of memory, more than "
            f"{LARGEST_BYTES // 1_000_000}.",
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
    # A progressive JPEG keeps its coefficients, of two bytes each, until the last scan.
    return channels * (3 if "progressive" in picture.info else -(-bits // 8))


def _check_kind(picture: Image.Image, format: str, data: bytes) -> None:
    """Refuses by name what opens well and yet is no single grey or colour picture."""
    if format == "TIFF":
        _check_tiff(picture)
    elif "progressive" in picture.info and data.count(b"\xff\xda") > MOST_SCANS:
        raise UserError("This JPEG file is built of absurdly many scans.", fix="Export the film as PNG.")
    elif format != "JPEG" and getattr(picture, "n_frames", 1) > 1:
        raise UserError(
            f"This {format} file is animated: it holds {picture.n_frames} pictures.", fix="Export the film alone."
        )


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
    exif = picture.info.get("exif")
    place = data.find(b"eXIf") if picture.format == "PNG" else -1
    if exif is None and place < 4:
        return 1
    if exif is None:
        # Pillow reads the chunks before the pixels only.
        exif = data[place + 4 : place + 4 + int.from_bytes(data[place - 4 : place], "big")]
    try:
        tags = Image.Exif()
        tags.load(exif)
        orientation = int(tags.get(ORIENTATION, 1))
    except Exception:
        return 1
    return orientation if 1 <= orientation <= 8 else 1
