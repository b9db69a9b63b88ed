"""The pixels of a DICOM film: decompressed, then brought to grey as the header says."""

import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset, FileDataset

OVERLAY_BIT = 0x60000102
# Baseline, extended, lossless JPEG and JPEG-LS; anything else has no place in these syntaxes.
JPEG_FRAMES = (0xC0, 0xC1, 0xC3, 0xF7)
JPEG_SYNTAXES = [f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81)]
MOST_TILES = 4096
LARGEST_JPEG_2000 = 16_000_000
ROOM_BEHIND_END = 64
AS_PNG = "Export the film again, uncompressed or as PNG."


def decode(film: "FileDataset") -> np.ndarray:
    """The film as a screen would show it: modality LUT, window or VOI LUT, then MONOCHROME1 inverted.

    Returns (height, width) uint8. Raises UserError for what is not supported, anything else if it is damaged.
    """
    with np.errstate(all="ignore"):
        return _shown(_stored(film), film)


def _stored(film: "FileDataset") -> np.ndarray:
    """The stored values: (height, width) of 8 or 16 bits."""
    from pydicom import encaps, pixels, uid

    implicit, little = film.original_encoding
    plain = (
        uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    )
    syntax = film.file_meta.setdefault("TransferSyntaxUID", plain).value
    if syntax in (plain, uid.DeflatedExplicitVRLittleEndian):
        return _without_overlay(pixels.pixel_array(film, raw=True), film)
    if syntax not in (*JPEG_SYNTAXES, *uid.JPEG2000TransferSyntaxes, uid.RLELossless):
        name = f"as {syntax.name}" if syntax.keyword else "in an unknown way"
        raise UserError(f"The film is compressed {name}, which cannot be read.", fix=AS_PNG)
    frame = encaps.get_frame(film.PixelData, 0, number_of_frames=1)
    if syntax == uid.RLELossless:
        return _run_lengths(frame, film)
    _check_weight(frame, syntax, film)
    size = _jpeg_2000_size(frame) if syntax in uid.JPEG2000TransferSyntaxes else _jpeg_size(frame)
    if size != (film.Columns, film.Rows):
        raise UserError("The size in the DICOM header is not that of the picture inside.", fix=AS_PNG)
    return _decompressed(frame, syntax, film)


def _check_weight(frame: bytes, syntax: str, film: "FileDataset") -> None:
    """JPEG 2000 decodes slowly; and without an end marker one of the codecs searches for seconds."""
    from pydicom import uid

    if syntax not in uid.JPEG2000TransferSyntaxes:
        if frame.rfind(b"\xff\xd9", -ROOM_BEHIND_END) < 0:
            raise UserError("The picture in the DICOM file is cut short: its end is missing.", fix=AS_PNG)
    elif max(film.Rows * film.Columns, len(frame)) > LARGEST_JPEG_2000:
        limit = f"{LARGEST_JPEG_2000 // 1_000_000} million pixels or bytes"
        raise UserError(f"The film is compressed as JPEG 2000 and larger than {limit}.", fix=AS_PNG)


def _decompressed(frame: bytes, syntax: str, film: "FileDataset") -> np.ndarray:
    import imagecodecs
    from pydicom import uid

    if syntax in uid.JPEGLSTransferSyntaxes:
        stored = imagecodecs.jpegls_decode(frame)
    elif syntax in uid.JPEG2000TransferSyntaxes:
        stored = imagecodecs.jpeg2k_decode(frame, numthreads=2)
    else:
        stored = imagecodecs.jpeg8_decode(frame)
    stored = stored.reshape(film.Rows, film.Columns)
    signed = film.PixelRepresentation == 1
    if signed == (stored.dtype.kind == "i"):
        return stored
    # The codec knows of no sign, or of one that the header denies: take the stored bits as the header says.
    spare = 8 * stored.itemsize - film.BitsStored
    return (stored << spare).view(f"{'i' if signed else 'u'}{stored.itemsize}") >> spare


def _without_overlay(stored: np.ndarray, film: "FileDataset") -> np.ndarray:
    """Old files keep drawings in the bits above the pixel's own."""
    if OVERLAY_BIT not in film or not film[OVERLAY_BIT].value or film.PixelRepresentation:
        return stored
    return stored & (2**film.BitsStored - 1)


def _run_lengths(frame: bytes, film: "FileDataset") -> np.ndarray:
    """RLE through Pillow: in C, and it stops where the picture is full."""
    planes = film.BitsAllocated // 8
    count, *starts = struct.unpack_from("<16L", frame)
    if count != planes:
        raise ValueError("wrong number of segments")
    ends = [*starts[1:planes], len(frame)]
    # One long row: some encoders let runs cross the ends of rows.
    one_row = (film.Rows * film.Columns, 1)
    rows = [
        np.asarray(Image.frombytes("L", one_row, frame[start:end], "packbits", "L"))[0]
        for start, end in zip(starts, ends, strict=False)
    ]
    stored = rows[0] if planes == 1 else np.stack(rows[::-1], axis=-1).view("<u2")
    return stored.reshape(film.Rows, film.Columns).view(("i" if film.PixelRepresentation else "u") + str(planes))


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    """Width and height from the header of a JPEG, lossless JPEG or JPEG-LS stream of one component."""
    place = 2
    while frame[place] == 0xFF:
        marker, length = struct.unpack_from(">xBH", frame, place)
        if marker in JPEG_FRAMES:
            _, height, width, components = struct.unpack_from(">BHHB", frame, place + 4)
            if components != 1:
                break
            return width, height
        if 0xC4 != marker >= 0xC0 and marker < 0xD0:
            break
        place += 2 + length
    raise ValueError("no frame that we decode")


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """Width and height from the SIZ marker; absurdly small tiles are refused, each costs memory of its own."""
    start = frame.index(b"\xff\x4f\xff\x51")
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6L", frame, start + 8)
    components = struct.unpack_from(">H", frame, start + 40)[0]
    width, height = right - left, bottom - top
    if components != 1 or -(-right // tile_width) * -(-bottom // tile_height) > MOST_TILES:
        raise ValueError("several components or too many tiles")
    return width, height


def _shown(stored: np.ndarray, film: "FileDataset") -> np.ndarray:
    """Stored values to grey levels, through a table of the values that occur: exact, and small in memory."""
    signed = film.PixelRepresentation == 1
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    codes = stored.view(f"u{stored.itemsize}")
    levels = _levels(codes)
    values = levels.view(f"i{stored.itemsize}") if signed else levels
    table = np.zeros(2 ** (8 * stored.itemsize), np.uint8)
    table[levels] = _grey(values.astype(np.int64), film, signed)
    # Row by row: numpy turns an index into eight bytes a pixel.
    shown = np.empty(codes.shape, np.uint8)
    for row, target in zip(codes, shown, strict=True):
        np.take(table, row, out=target)
    return shown


def _levels(codes: np.ndarray) -> np.ndarray:
    occurs = np.zeros(2 ** (8 * codes.itemsize), bool)
    for row in codes:
        occurs[row] = True
    return np.flatnonzero(occurs).astype(codes.dtype)


def _grey(values: np.ndarray, film: "FileDataset", signed: bool) -> np.ndarray:
    """(n,) stored values to (n,) uint8."""
    real = _modality(values, film, signed)
    shown = _window(real, film, signed)
    if shown is None:
        if film.BitsStored == 8 and np.array_equal(real, values) and not signed:
            shown = real / 255
        else:
            inside = real[~_padding(values, film)]
            low, high = (inside.min(), inside.max()) if inside.size else (0, 1)
            shown = (real - low) / max(high - low, 1e-9)
    grey = np.rint(np.clip(np.nan_to_num(shown), 0, 1) * 255).astype(np.uint8)
    return 255 - grey if film.PhotometricInterpretation == "MONOCHROME1" else grey


def _modality(values: np.ndarray, film: "FileDataset", signed: bool) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut

    if film.get("ModalityLUTSequence"):
        return _looked_up(values, film.ModalityLUTSequence[0], signed)[0]
    if film.get("RescaleSlope") is None or film.get("RescaleIntercept") is None:
        return values
    return apply_modality_lut(values, film)


def _window(real: np.ndarray, film: "FileDataset", signed: bool) -> np.ndarray | None:
    """Values in [0, 1] as the first VOI LUT or window of the header shows them; None if it has none that works."""
    from pydicom.pixels import apply_windowing

    if film.get("VOILUTSequence"):
        shown, bits = _looked_up(np.rint(real).astype(np.int64), film.VOILUTSequence[0], signed)
        return shown / (2**bits - 1)
    if film.get("WindowCenter") is None or film.get("WindowWidth") is None:
        return None
    try:
        # The infinities come out as the ends of the range, whichever that is after rescaling.
        shown = apply_windowing(np.append(real, [-np.inf, np.inf]), film)
    except ValueError:
        return None
    low, high = shown[-2:]
    return (shown[:-2] - low) / (high - low)


def _looked_up(values: np.ndarray, item: "Dataset", signed: bool) -> tuple[np.ndarray, int]:
    """Values through a LUT, and its depth. pydicom's own fails for depths of 9 to 15 and for long tables of 8 bits."""
    descriptor, data = item.get_item("LUTDescriptor"), item.get_item("LUTData")
    order = "<" if descriptor.is_little_endian else ">"
    entries, first, bits = np.frombuffer(descriptor.value, f"{order}u2")[:3].tolist()
    entries = entries or 2**16
    if descriptor.VR == "SS" or (signed and descriptor.VR != "US"):
        first -= 2**16 * (first >= 2**15)
    table = np.frombuffer(data.value, np.uint8 if len(data.value) <= entries + 1 else f"{order}u2")[:entries]
    return table[np.clip(values - first, 0, len(table) - 1)].astype(np.int64), bits


def _padding(values: np.ndarray, film: "FileDataset") -> np.ndarray:
    padding = film.get("PixelPaddingValue")
    if padding is None:
        return np.zeros(values.shape, bool)
    other = film.get("PixelPaddingRangeLimit")
    low, high = sorted((padding, padding if other is None else other))
    return (values >= low) & (values <= high)
