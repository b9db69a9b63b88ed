"""What varies films does what its settings say, and the same again for the same state of chance."""

import numpy as np
import pytest

from core.data.augment import augment, is_on
from core.settings import TrainSettings
from tests.helpers import film

FILMS = np.stack([film(seed)[::2, ::2] for seed in range(40)])
ALL = {
    "rotation": 10.0,
    "zoom": 0.1,
    "shift": 0.1,
    "mirror": True,
    "brightness": 0.1,
    "contrast": 0.2,
    "stretch": 0.2,
    "gamma": 0.5,
    "coarseness": 0.5,
    "noise": 0.02,
}


def varied(films=FILMS, seed=0, **settings) -> np.ndarray:
    return augment(films, TrainSettings(**settings), np.random.default_rng(seed))


def marked(x: int, y: int, size: int = 101, count: int = 200) -> np.ndarray:
    films = np.zeros((count, size, size), np.uint8)
    films[:, y - 1 : y + 2, x - 1 : x + 2] = 255
    return films


def centres(films: np.ndarray) -> np.ndarray:
    """(n, 2): x and y of what is bright."""
    y, x = np.mgrid[: films.shape[1], : films.shape[2]]
    mass = films.sum(axis=(1, 2), dtype=float)
    return np.stack([(films * x).sum(axis=(1, 2)) / mass, (films * y).sum(axis=(1, 2)) / mass], axis=1)


def test_off_changes_nothing_and_hands_out_a_copy():
    assert not is_on(TrainSettings())
    same = varied()
    np.testing.assert_array_equal(same, FILMS)
    assert not np.shares_memory(same, FILMS)


@pytest.mark.parametrize("name", ALL)
def test_each_setting_alone_varies_films_and_leaves_the_originals(name):
    before = FILMS.copy()
    assert is_on(TrainSettings(**{name: ALL[name]}))
    found = varied(**{name: ALL[name]})
    assert found.shape == FILMS.shape
    assert found.dtype == np.uint8
    assert (found != FILMS).any(axis=(1, 2)).mean() > 0.3
    np.testing.assert_array_equal(FILMS, before)


def test_the_same_state_of_chance_gives_the_same_films_and_another_gives_others():
    np.testing.assert_array_equal(varied(seed=1, **ALL), varied(seed=1, **ALL))
    assert (varied(seed=1, **ALL) != varied(seed=2, **ALL)).any()


def test_rotation_turns_by_no_more_than_it_says():
    x, y = (centres(varied(marked(80, 50), rotation=12.0)) - 50).T
    angles = np.degrees(np.arctan2(y, x))
    assert np.abs(angles).max() <= 12.2
    assert angles.min() < -8
    assert angles.max() > 8
    assert np.hypot(x, y) == pytest.approx(30, abs=0.3)


def test_zoom_keeps_the_middle_and_changes_distances_within_its_share():
    distance = centres(varied(marked(80, 50), zoom=0.2))[:, 0] - 50
    assert distance.min() == pytest.approx(24, abs=0.7)
    assert distance.max() == pytest.approx(36, abs=0.7)


def test_shift_moves_by_no_more_than_its_share_of_the_side():
    moved = centres(varied(marked(50, 50), shift=0.1)) - 50
    assert np.abs(moved).max() <= 10.2
    assert (moved.min(axis=0) < -7).all()
    assert (moved.max(axis=0) > 7).all()


def test_mirror_swaps_left_and_right_of_about_half_of_the_films():
    x, y = centres(varied(marked(80, 40), mirror=True)).T
    assert y == pytest.approx(40)
    assert set(np.rint(x)) == {20, 80}
    assert 0.35 < (x < 50).mean() < 0.65
    found = varied(mirror=True)
    for before, after in zip(FILMS, found, strict=True):
        assert (after == before).all() or (after == before[:, ::-1]).all()


def test_brightness_and_contrast_stay_within_their_shares():
    grey = np.full((200, 8, 8), 128, np.uint8)
    levels = varied(grey, brightness=0.1)[:, 0, 0].astype(int) - 128
    assert np.abs(levels).max() <= 26
    assert levels.max() > 18
    assert levels.min() < -18
    two = np.tile(np.array([78, 178], np.uint8), (200, 4, 4))
    spread = np.diff(varied(two, contrast=0.2)[:, 0, :2].astype(int))
    assert spread.min() == pytest.approx(80, abs=3)
    assert spread.max() == pytest.approx(120, abs=3)


def test_noise_has_the_spread_it_says_and_differs_from_film_to_film():
    grey = np.full((20, 100, 100), 128, np.uint8)
    found = varied(grey, noise=0.04)
    assert found.std(axis=(1, 2)) == pytest.approx(0.04 * 255, rel=0.05)
    assert found.mean() == pytest.approx(128, abs=0.3)
    assert (found[0] != found[1]).any()


def test_stretch_changes_proportions_and_keeps_the_area_and_the_middle():
    corners = centres(varied(marked(80, 50), stretch=0.2))[:, 0] - 50
    below = centres(varied(marked(50, 80), stretch=0.2))[:, 1] - 50
    assert corners * below == pytest.approx(900, rel=0.05)
    ratio = corners / below
    assert 1 / 1.24 < ratio.min() < 0.88
    assert 1.14 < ratio.max() < 1.24


def test_gamma_moves_the_middle_greys_and_leaves_black_and_white():
    films = np.zeros((60, 16, 16), np.uint8)
    films[:, 4:8], films[:, 8:] = 128, 255
    found = varied(films, gamma=1.0)
    assert (found[:, :4] == 0).all()
    assert (found[:, 8:] == 255).all()
    middle = found[:, 5, 5]
    assert middle.min() < 80
    assert middle.max() > 165
    # 0.502 to the powers of 2 and of a half
    assert middle.min() >= 63
    assert middle.max() <= 182


def test_coarseness_loses_detail_and_keeps_the_mean():
    random = np.random.default_rng(0)
    films = random.integers(0, 256, (40, 64, 64), np.uint8)
    found = varied(films, coarseness=0.6).astype(float)
    assert found.mean() == pytest.approx(films.mean(), abs=1)
    deviation = found.std(axis=(1, 2))
    assert deviation.min() < 0.35 * films.std()
    assert deviation.max() > 0.5 * films.std()
