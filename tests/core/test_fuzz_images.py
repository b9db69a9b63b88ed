"""Damaged files of every format: the square or a UserError, nothing else, soon and in little memory.

`FUZZ_EXAMPLES=20000 python -m pytest tests/core/test_fuzz_images.py` looks much longer.
"""

import io
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from core.errors import UserError
from core.images import FRAMINGS, ImageSpec, colourfulness, read_header, standardise
from tests.core.test_dicom import LOSSLESS, chest, coded, jpeg, jpeg_2000, rle, stored
from tests.helpers import encode, film

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SECONDS, MEGABYTES = 2, 512
EXTREMES = [
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x01",
]

GREY = film()[60:108, 60:124].copy()
COLOUR = np.dstack([GREY, GREY[::-1], 255 - GREY])


def saved(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


GREY_PICTURE, COLOUR_PICTURE = Image.fromarray(GREY), Image.fromarray(COLOUR)
EXIF = Image.Exif()
EXIF[0x0112] = 6
SEEDS = {
    "baseline JPEG": encode(GREY, ".jpeg"),
    "progressive JPEG": saved(COLOUR_PICTURE, "JPEG", progressive=True, exif=EXIF),
    "CMYK JPEG": saved(COLOUR_PICTURE.convert("CMYK"), "JPEG"),
    "8-bit PNG": encode(GREY),
    "16-bit PNG": encode(GREY.astype(np.uint16) * 16),
    "palette PNG": saved(COLOUR_PICTURE.quantize(16), "PNG", exif=EXIF),
    "TIFF": saved(GREY_PICTURE, "TIFF"),
    "LZW TIFF": saved(COLOUR_PICTURE, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": saved(COLOUR_PICTURE, "TIFF", compression="jpeg"),
    "fax TIFF": saved(GREY_PICTURE.convert("1"), "TIFF", compression="group4"),
    "16-bit colour TIFF": cv2.imencode(".tiff", COLOUR.astype(np.uint16) * 16)[1].tobytes(),
    "WebP": saved(COLOUR_PICTURE, "WEBP"),
    "lossless WebP": saved(COLOUR_PICTURE.convert("RGBA"), "WEBP", lossless=True, exif=EXIF),
    "BMP": encode(GREY, ".bmp"),
    "DICOM": chest(),
    "implicit DICOM": chest(stored(0, 255), ImplicitVRLittleEndian, WindowCenter=100, WindowWidth=50),
    "deflated DICOM": chest(stored(-500, 500, True), DeflatedExplicitVRLittleEndian),
    "RLE DICOM": rle(stored()),
    "JPEG DICOM": coded(JPEGBaseline8Bit, encode(GREY, ".jpeg"), GREY),
    "12-bit JPEG DICOM": coded(JPEGExtended12Bit, jpeg(stored(), 12, False), stored(), BitsStored=12, HighBit=11),
    **{f"lossless {name} DICOM": coded(syntax, code(stored()), stored()) for name, (syntax, code) in LOSSLESS.items()},
    "JPEG 2000 DICOM": coded(JPEG2000Lossless, jpeg_2000(GREY), GREY),
}

places = st.floats(0, 1) | st.integers(0, 400)
changes = st.one_of(
    st.tuples(st.just("set"), places, st.binary(min_size=1, max_size=4) | st.sampled_from(EXTREMES)),
    st.tuples(st.just("flip"), places, st.integers(0, 7).map(lambda bit: bytes([1 << bit]))),
    st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("remove"), places, st.integers(1, 64).map(bytes)),
    st.tuples(st.just("repeat"), places, st.integers(1, 200).map(bytes)),
    st.tuples(st.just("cut"), places, st.just(b"")),
)


def damaged(content: bytes, damages: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, what in damages:
        # Whole numbers are places in the header, fractions anywhere.
        at = min(place, len(content)) if isinstance(place, int) else int(place * len(content))
        after = at + len(what)
        before, old = content[:at], content[at:after]
        content = {
            "set": before + what + content[after:],
            "flip": before + bytes(byte ^ what[0] for byte in old) + content[after:] if what else content,
            "insert": before + what + content[at:],
            "remove": before + content[after:],
            "repeat": before + old + content[at:],
            "cut": before,
        }[kind]
    return content


def look(content: bytes, framing: str) -> None:
    """Raises for anything but the square or a UserError."""
    try:
        header = read_header(content)
        square = standardise(content, ImageSpec(32, framing))
        colours = colourfulness(content, header)
    except UserError:
        return
    assert square.shape == (32, 32)
    assert square.dtype == np.uint8
    assert 0 <= colours <= 255


def megabytes(kind: str) -> float:
    """VmRSS: the memory held now; VmHWM: the most since the last reset."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) / 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


@pytest.fixture(scope="module", autouse=True)
def everything_is_loaded():
    for content in SEEDS.values():
        look(content, "stretch")


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seed_is_read(kind):
    assert standardise(SEEDS[kind], ImageSpec(32)).shape == (32, 32)


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from Linux's /proc")
@pytest.mark.parametrize("kind", SEEDS)
def test_a_damaged_file_is_read_or_refused_soon_and_in_little_memory(kind):
    reset_peak()
    before = megabytes("VmRSS")
    slowest = [0.0]

    @settings(
        max_examples=EXAMPLES // len(SEEDS) or 150,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(changes, min_size=1, max_size=6), st.sampled_from(FRAMINGS))
    def run(damages, framing):
        begin = time.monotonic()
        look(damaged(SEEDS[kind], damages), framing)
        slowest[0] = max(slowest[0], time.monotonic() - begin)

    run()
    assert slowest[0] < SECONDS
    assert megabytes("VmHWM") - before < MEGABYTES
