import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import data, images
from core.data import duplicates
from core.data.prepare import prepare
from core.images import ImageSpec
from tests.helpers import encode, film

SPEC = ImageSpec(150)


def standard(picture, ending=".png"):
    return images.standardise(encode(picture, ending), SPEC)


def shrunk(picture, share=0.6):
    """Made smaller and saved again as a JPEG of quality 60."""
    small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    done, content = cv2.imencode(".jpeg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    return images.standardise(content.tobytes(), SPEC)


def marked(picture):
    return cv2.putText(picture.copy(), "R", (16, 44), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)


COPIES = {
    "the same": lambda picture: picture,
    "brighter": lambda picture: cv2.add(picture, 10),
    "cropped by 1 % on each side": lambda picture: picture[2:-2, 2:-2],
    "with a mark burned in": marked,
}


def fingerprints(films):
    return np.array([duplicates.fingerprint(each) for each in films], np.uint64)


def brute_force(prints, distance):
    return [
        (i, j)
        for i in range(len(prints))
        for j in range(i + 1, len(prints))
        if int(prints[i] ^ prints[j]).bit_count() <= distance
    ]


def components(pairs, n):
    return [part.tolist() for part in duplicates.groups(np.array(pairs, dtype=int).reshape(-1, 2), n)]


@st.composite
def skewed_fingerprints(draw):
    """Few originals with some bits flipped: like real ones, close together and often equal."""
    random = np.random.default_rng(draw(st.integers(0, 2**31 - 1)))
    originals = random.integers(0, 2**64, draw(st.integers(1, 30)), dtype=np.uint64)
    prints = random.choice(originals, draw(st.integers(0, 120)))
    for _ in range(draw(st.integers(0, 9))):
        prints ^= np.uint64(1) << random.integers(0, 64, len(prints)).astype(np.uint64)
    return prints


@settings(max_examples=60, deadline=None)
@given(skewed_fingerprints(), st.integers(0, 7))
def test_the_search_finds_what_comparing_every_pair_finds(prints, distance):
    different = np.unique(prints)
    found = duplicates.near_pairs(different, distance)
    assert [tuple(pair) for pair in found.tolist()] == brute_force(different, distance)


@settings(max_examples=60, deadline=None)
@given(skewed_fingerprints(), st.integers(0, 7))
def test_with_identical_fingerprints_the_groups_are_still_complete(prints, distance):
    found = duplicates.near_pairs(prints, distance)
    everything = brute_force(prints, distance)
    pairs = [tuple(pair) for pair in found.tolist()]
    assert pairs == sorted(set(pairs))
    assert set(pairs) <= set(everything)
    assert components(pairs, len(prints)) == components(everything, len(prints))
    if np.unique(prints, return_counts=True)[1].max(initial=0) <= duplicates.CROWD:
        assert pairs == everything


def test_a_large_crowd_of_identical_fingerprints_is_a_chain():
    prints = np.full(50_000, 7, np.uint64)
    prints[-1] = 6
    found = duplicates.near_pairs(prints)
    assert len(found) == 49_999
    assert [len(part) for part in duplicates.groups(found, len(prints))] == [50_000]


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_films_there_is_no_pair(count):
    films = np.zeros((count, 150, 150), np.uint8)
    pairs = duplicates.near_pairs(fingerprints(films))
    assert pairs.shape == (0, 2)
    assert duplicates.confirm(films, pairs).shape == (0,)
    assert duplicates.groups(pairs, count) == []


@pytest.mark.parametrize("share", [0.5, 0.6, 0.75])
def test_a_film_saved_again_and_shrunk_is_found_and_confirmed(share):
    pictures = [film(seed, subtype) for seed, subtype in enumerate(["", "lobar", "patchy"] * 10)]
    films = np.stack([standard(picture) for picture in pictures] + [shrunk(picture, share) for picture in pictures])
    pairs = duplicates.near_pairs(fingerprints(films))
    confirmed = pairs[duplicates.confirm(films, pairs)]
    assert confirmed.tolist() == [[i, i + 30] for i in range(30)]


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_the_same_film_either_way_round(copy):
    for seed in range(10):
        films = np.stack([standard(film(seed)), standard(copy(film(seed)))])
        assert duplicates.confirm(films, np.array([[0, 1], [1, 0]])).all()


def test_another_film_of_the_same_patient_is_no_duplicate():
    films = prepare(data.load("phantoms:200"), SPEC)
    owner = np.array(films.table["patient"])
    pairs = np.argwhere(np.triu(owner[:, None] == owner, 1))
    assert len(pairs) > 200
    assert not duplicates.confirm(films.films, pairs).any()


def test_blank_films_are_one_film_only_if_their_pixels_are():
    random = np.random.default_rng(0)
    blank = np.full((150, 150), 90, np.uint8)
    films = np.stack([blank, blank, random.integers(89, 92, blank.shape).astype(np.uint8), standard(film(0))])
    assert duplicates.confirm(films, np.array([[0, 1], [0, 2], [1, 3], [2, 3]])).tolist() == [True, False, False, False]


def test_groups_join_what_hangs_together_in_the_order_of_the_films():
    pairs = np.array([[5, 7], [0, 9], [2, 7], [3, 4]])
    assert components(pairs, 10) == [[0, 9], [2, 5, 7], [3, 4]]


def test_real_films_repeat_where_their_bytes_do_and_nowhere_else(real_films):
    source = data.load(str(real_films / "chest_xray"))
    films = prepare(source, SPEC)
    assert films.table["id"] == [sample.id for sample in source.samples]
    contents: dict[bytes, list[int]] = {}
    for number, sample in enumerate(source.samples):
        contents.setdefault(source.read(sample), []).append(number)
    pairs = duplicates.near_pairs(fingerprints(films.films))
    confirmed = pairs[duplicates.confirm(films.films, pairs)]
    assert components(confirmed, len(films.films)) == sorted(same for same in contents.values() if len(same) > 1)
