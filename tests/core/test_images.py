import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import UserError
from core.images import ImageSpec, read_header, standardise
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


def test_reduced_decoding_stays_within_half_a_grey_level_of_full_decoding():
    large = cv2.resize(film(), (1600, 1300), interpolation=cv2.INTER_CUBIC)
    content = encode(large, ".jpeg")
    full = cv2.resize(cv2.imdecode(np.frombuffer(content, np.uint8), 0), (150, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(standardise(content, ImageSpec(150)).astype(int) - full).mean() < 0.5


def test_a_rotated_photograph_is_turned_as_its_exif_says(tmp_path):
    picture = np.zeros((100, 200), np.uint8)
    picture[:, :100] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpeg"
    Image.fromarray(picture).save(path, exif=exif)
    turned = standardise(path.read_bytes(), SPEC)
    assert turned[:28].mean() > 240
    assert turned[36:].mean() < 15


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"Dear colleague, the film is attached.", "not a readable JPEG or PNG"),
        (encode(film(), ".jpeg")[:3000], "cut short"),
        (encode(film(), ".jpeg")[:-2], "cut short"),
        (encode(film(), ".png")[:3000], "cut short"),
        (encode(np.zeros((1, 1), np.uint8)), "1 × 1"),
        (encode(np.zeros((15, 400), np.uint8)), "400 × 15"),
        (encode(np.zeros((20_000, 20_000), np.uint8)), "larger than 50 million"),
        (encode(film(), ".bmp"), "not a readable JPEG or PNG"),
    ],
    ids=["empty", "text", "half JPEG", "JPEG without end", "half PNG", "1x1", "narrow", "20,000 squared", "BMP"],
)
def test_a_bad_picture_is_named_with_a_next_step(content, says):
    with pytest.raises(UserError, match=says) as caught:
        standardise(content, SPEC)
    assert caught.value.fix


def test_a_huge_picture_is_refused_from_its_header_alone():
    with pytest.raises(UserError, match="larger than"):
        read_header(encode(np.zeros((8000, 8000), np.uint8))[:200])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([".png", ".jpeg"]), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8))
def test_a_damaged_file_decodes_or_raises_a_user_error(ending, damages):
    content = bytearray(encode(film()[:64, :64], ending))
    for place, value in damages:
        content[int(place * (len(content) - 1))] = value
    try:
        film_or_error = standardise(bytes(content), SPEC).shape
    except UserError as error:
        film_or_error = error.fix
    assert film_or_error == (64, 64) or isinstance(film_or_error, str)
