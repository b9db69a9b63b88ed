"""Every shift changes films as its name says, and leaves them films."""

import numpy as np
import pytest

from core.shifts import SHIFTS, shifted
from tests.helpers import film

FILMS = np.stack([film(seed) for seed in range(6)])


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_gives_films_of_the_same_size_and_leaves_the_originals(name):
    before = FILMS.copy()
    found = shifted(FILMS, name)
    assert found.shape == FILMS.shape
    assert found.dtype == np.uint8
    assert (found == FILMS).all() == (name == "as they are")
    np.testing.assert_array_equal(FILMS, before)
    assert shifted(FILMS[:0], name).shape == FILMS[:0].shape


def test_exposure_and_contrast_go_the_way_their_names_say():
    means = {name: shifted(FILMS, name).mean() for name in SHIFTS}
    spreads = {name: shifted(FILMS, name).std() for name in SHIFTS}
    assert means["darker"] < means["as they are"] < means["lighter"]
    assert spreads["paler"] < spreads["as they are"] < spreads["harder"]


def test_nearer_loses_the_border_and_farther_gains_a_black_one():
    square = np.full((1, 100, 100), 200, np.uint8)
    square[:, 20:80, 20:80] = 50
    assert (shifted(square, "nearer") == 50).sum() > (square == 50).sum() > (shifted(square, "farther") == 50).sum()
    assert shifted(square, "farther")[0, 0, 0] == 0


def test_coarser_and_sharper_differ_in_detail():
    def detail(name):
        return np.abs(np.diff(shifted(FILMS, name).astype(float), axis=2)).mean()

    assert detail("coarser") < detail("as they are") < detail("sharper")
