import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import UserError
from core.images import FRAMINGS, Header, ImageSpec, colourfulness, read_header, standardise
from tests.conftest import PROJECT
from tests.helpers import encode, film

SPEC = ImageSpec(64)


@pytest.mark.parametrize("ending", [".png", ".jpeg"])
def test_grey_and_colour_files_of_one_film_come_out_alike(ending):
    grey = film()
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    one, other = standardise(encode(grey, ending), SPEC), standardise(encode(colour, ending), SPEC)
    assert one.shape == (64, 64)
    assert one.dtype == np.uint8
    assert np.abs(one.astype(int) - other).max() <= 2


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_sixteen_bit_files_of_any_detector_depth_match_the_eight_bit_film(bits):
    grey = film()
    grey[0, 0] = 255
    deep = (grey.astype(np.uint16) << (bits - 8)) + 1
    assert np.array_equal(standardise(encode(deep), SPEC), standardise(encode(grey), SPEC))


def test_transparent_pixels_are_black_and_opaque_ones_unchanged():
    grey = film()
    picture = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    assert np.abs(standardise(encode(picture), SPEC).astype(int) - standardise(encode(grey), SPEC)).max() <= 1
    picture[..., 3] = 0
    assert standardise(encode(picture), SPEC).max() == 0


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("shape", [(1600, 1300), (1303, 1597), (500, 1801), (2400, 301)])
def test_reduced_decoding_stays_within_a_grey_level_of_full_decoding(framing, shape):
    """The same film as PNG is decoded in full."""
    large = cv2.GaussianBlur(cv2.resize(film(), shape[::-1], interpolation=cv2.INTER_CUBIC), (0, 0), 2)
    content = encode(large, ".jpeg")
    full = encode(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE))
    spec = ImageSpec(72, framing)
    assert cv2.absdiff(standardise(content, spec), standardise(full, spec)).mean() < 1


def saved(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


GREY = Image.fromarray(film())
COLOUR = Image.merge(
    "RGB", [GREY, GREY.transpose(Image.Transpose.FLIP_LEFT_RIGHT), GREY.point(lambda level: level // 2)]
)
TRANSPARENT = Image.merge("LA", [GREY, GREY.point(lambda level: 255)])
KINDS = {
    "TIFF": (saved(GREY, "TIFF"), Header("TIFF", 224, 224)),
    "LZW TIFF": (saved(GREY, "TIFF", compression="tiff_lzw"), Header("TIFF", 224, 224)),
    "RGB TIFF": (saved(GREY.convert("RGB"), "TIFF"), Header("TIFF", 224, 224, colour=True)),
    "CMYK TIFF": (saved(GREY.convert("CMYK"), "TIFF"), Header("TIFF", 224, 224, colour=True)),
    "RGBA TIFF": (saved(TRANSPARENT.convert("RGBA"), "TIFF"), Header("TIFF", 224, 224, colour=True)),
    "LA TIFF": (saved(TRANSPARENT, "TIFF"), Header("TIFF", 224, 224)),
    "palette TIFF": (saved(GREY.convert("P"), "TIFF"), Header("TIFF", 224, 224, colour=True)),
    "16-bit TIFF": (encode(film().astype(np.uint16) * 257, ".tiff"), Header("TIFF", 224, 224, bits=16)),
    "16-bit RGB TIFF": (
        encode(cv2.cvtColor(film().astype(np.uint16) * 16, cv2.COLOR_GRAY2BGR), ".tiff"),
        Header("TIFF", 224, 224, colour=True, bits=16),
    ),
    "BMP": (saved(GREY, "BMP"), Header("BMP", 224, 224)),
    "RGB BMP": (saved(GREY.convert("RGB"), "BMP"), Header("BMP", 224, 224, colour=True)),
    "WebP": (saved(GREY, "WEBP", lossless=True), Header("WebP", 224, 224, colour=True)),
    "LA PNG": (saved(TRANSPARENT, "PNG"), Header("PNG", 224, 224)),
    "palette PNG": (saved(GREY.convert("P"), "PNG"), Header("PNG", 224, 224, colour=True)),
    "16-bit PNG": (encode(film().astype(np.uint16) * 257), Header("PNG", 224, 224, bits=16)),
    "16-bit RGB PNG": (
        encode(cv2.cvtColor(film().astype(np.uint16) * 16, cv2.COLOR_GRAY2BGR)),
        Header("PNG", 224, 224, colour=True, bits=16),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_film(kind):
    content, header = KINDS[kind]
    assert read_header(content) == header
    assert cv2.absdiff(standardise(content, SPEC), standardise(encode(film()), SPEC)).max() <= 1
    assert colourfulness(content, header) < 1


def test_a_cmyk_jpeg_is_the_same_film_too():
    content = saved(GREY.convert("CMYK"), "JPEG", quality=95)
    assert read_header(content).colour
    assert cv2.absdiff(standardise(content, SPEC), standardise(encode(film()), SPEC)).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "I;16"])
def test_a_tiff_in_which_white_is_zero_comes_out_right(mode):
    picture = np.zeros((64, 64), np.uint16)
    picture[:, 32:] = 4095 if mode == "I;16" else 255
    negative = Image.fromarray(4095 - picture if mode == "I;16" else (255 - picture).astype(np.uint8))
    plain = saved(negative.convert(mode), "TIFF", tiffinfo={262: 1})
    # The photometric interpretation, a SHORT, from black-is-zero to white-is-zero.
    turned = plain.replace(struct.pack("<HHIH", 262, 3, 1, 1), struct.pack("<HHIH", 262, 3, 1, 0))
    assert turned != plain
    square = standardise(turned, SPEC)
    assert square[:, :31].max() == 0
    assert square[:, 33:].min() == 255


def test_a_bilevel_tiff_is_read():
    picture = np.zeros((64, 64), np.uint8)
    picture[:, 32:] = 255
    content = saved(Image.fromarray(picture).convert("1"), "TIFF", compression="group4")
    assert read_header(content).bits == 1
    assert np.array_equal(standardise(content, SPEC), picture)


def upright_arrow() -> np.ndarray:
    picture = np.zeros((96, 160), np.uint8)
    picture[:48, :40], picture[48:, :80], picture[:30, 100:] = 250, 120, 180
    return picture


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_format_is_turned_as_its_exif_says(format, orientation, framing):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(upright_arrow())
    options = {"quality": 95} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    content = saved(stored, format, exif=exif, **options)
    stored.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(stored)
    header = read_header(content)
    assert (header.width, header.height) == upright.size
    spec = ImageSpec(64, framing)
    right = standardise(saved(upright, "PNG"), spec)
    assert cv2.absdiff(standardise(content, spec), right).mean() < 1.5


def test_a_png_that_tells_its_orientation_behind_the_pixels_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 3
    chunk = b"eXIf" + exif.tobytes()[6:]
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    plain = encode(upright_arrow())
    content = plain[:-12] + chunk + plain[-12:]
    assert np.array_equal(standardise(content, SPEC), standardise(plain, SPEC)[::-1, ::-1])


def test_a_framing_keeps_what_it_says():
    picture = np.full((100, 200), 200, np.uint8)
    picture[40:60, 90:110] = 0
    content = encode(picture)
    stretched, padded, cropped = (standardise(content, ImageSpec(100, framing)) for framing in FRAMINGS)
    assert (stretched == 0).sum() == 20 * 10
    assert padded[:25].max() == padded[75:].max() == 0
    assert (padded[25:75] == 0).sum() == 10 * 10
    assert (cropped == 0).sum() == 20 * 20
    assert cropped[0].min() == 200


def test_an_unknown_framing_is_refused():
    with pytest.raises(UserError, match="no framing “squash”"):
        ImageSpec(64, "squash")


@pytest.mark.parametrize(("format", "tolerance"), [("JPEG", 3), ("PNG", 1), ("WEBP", 3), ("TIFF", 1), ("BMP", 1)])
def test_colourfulness_tells_a_coloured_picture_from_a_grey_one_saved_as_colour(format, tolerance):
    picture = np.zeros((200, 240, 3), np.uint8)
    picture[:] = (90, 60, 30)
    coloured, grey = saved(Image.fromarray(picture), format), saved(GREY.convert("RGB"), format)
    assert colourfulness(coloured, read_header(coloured)) == pytest.approx(40, abs=tolerance)
    assert colourfulness(grey, read_header(grey)) < 0.5
    assert colourfulness(encode(film()), Header("PNG", 224, 224)) == 0.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"Dear colleague, the film is attached.", "not a readable JPEG, PNG, TIFF, BMP, WebP or DICOM file"),
        (encode(film(), ".jpeg")[:3000], "cut short"),
        (encode(film(), ".jpeg")[:-2], "cut short"),
        (encode(film(), ".png")[:3000], "cut short"),
        (encode(np.zeros((1, 1), np.uint8)), "1 × 1"),
        (encode(np.zeros((15, 400), np.uint8)), "400 × 15"),
        (encode(np.zeros((20_000, 20_000), np.uint8)), "larger than 50 million"),
        (encode(film(), ".bmp")[:3000], "damaged"),
        (encode(film(), ".tiff")[:-3000], "damaged|not a readable"),
    ],
    ids=[
        *("empty", "text", "half JPEG", "JPEG without end", "half PNG", "1x1", "narrow", "20,000 squared"),
        *("half BMP", "half TIFF"),
    ],
)
def test_a_bad_picture_is_named_with_a_next_step(content, says):
    with pytest.raises(UserError, match=says) as caught:
        standardise(content, SPEC)
    assert caught.value.fix


def pages(count: int, format: str = "TIFF") -> bytes:
    others = [GREY.point(lambda level, by=by: level // by) for by in range(2, count + 1)]
    return saved(GREY, format, save_all=True, append_images=others)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pages(3), "TIFF file holds 3 pages"),
        (pages(3, "WEBP"), "WebP file is animated: it holds 3 pictures"),
        (pages(3, "PNG"), "PNG file is animated"),
        (saved(Image.fromarray(film().astype(np.float32)), "TIFF"), "floating-point"),
        (saved(Image.fromarray(film().astype(np.int32)), "TIFF"), "32-bit"),
        (saved(Image.new("CMYK", (8000, 6250)), "TIFF", compression="tiff_lzw"), None),
        (saved(Image.new("RGB", (7000, 7000)), "JPEG", progressive=True), "would take 441 MB of memory"),
    ],
    ids=["pages", "animated WebP", "animated PNG", "float", "32 bit", "just small enough", "progressive"],
)
def test_what_is_no_single_film_is_refused_from_its_header_by_name(content, says):
    if says is None:
        assert read_header(content).colour
        return
    with pytest.raises(UserError, match=says):
        read_header(content)


def test_a_jpeg_of_absurdly_many_scans_is_refused():
    content = saved(COLOUR, "JPEG", progressive=True)
    begin, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    with pytest.raises(UserError, match="absurdly many scans"):
        standardise(content[:end] + content[begin:end] * 1000 + content[end:], SPEC)


def test_a_png_chunk_longer_than_the_file_allocates_nothing():
    content = encode(film())
    place = content.index(b"IDAT") - 4
    with pytest.raises(UserError, match="cut short"):
        standardise(content[:place] + b"\x7f\xff\xff\xff" + content[place + 4 :], SPEC)


def test_a_thumbnail_in_the_header_does_not_hide_that_the_picture_is_cut_short():
    whole, thumbnail = encode(film(), ".jpeg"), encode(film()[:32, :32], ".jpeg")
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]
    assert np.array_equal(standardise(with_thumbnail, SPEC), standardise(whole, SPEC))
    with pytest.raises(UserError, match="cut short"):
        standardise(with_thumbnail[:-2000], SPEC)


def test_importing_images_does_not_import_pydicom():
    script = "import sys, core.images; sys.exit('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0


def test_a_huge_picture_is_refused_from_its_header_alone():
    with pytest.raises(UserError, match="larger than"):
        read_header(encode(np.zeros((8000, 8000), np.uint8))[:200])
