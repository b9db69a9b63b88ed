"""Several models on the films that all of them have judged."""

import numpy as np
import pandas as pd
import pytest

from core import comparison, curves, lineup
from core.answers import judged
from core.errors import UserError
from core.lineup import Entry

FILMS = [f"film{number:02}" for number in range(40)]


def entry(seed: int, films=slice(None), threshold: float = 0.5) -> Entry:
    labels = np.arange(40) % 2
    scores = np.clip(0.25 + 0.5 * labels + np.random.default_rng(seed).normal(0, 0.3, 40), 0, 1)
    table = pd.DataFrame({"film": FILMS, "patient": FILMS, "label": labels, "probability": scores})
    return Entry(table[films], threshold)


def test_all_are_held_against_the_first_on_the_films_that_all_have_judged():
    entries = {"a": entry(1, slice(0, 36)), "b": entry(2, slice(4, 40)), "c": entry(3, threshold=0.4)}
    found = lineup.of(entries)
    assert (found.first, list(found.comparisons), list(found.sides)) == ("a", ["b", "c"], ["a", "b", "c"])
    assert (found.films, found.patients) == (32, 32)
    assert [side.left_out for side in found.sides.values()] == [4, 4, 8]
    tables = {name: one.table[one.table["film"].isin(FILMS[4:36])] for name, one in entries.items()}
    assert found.comparisons["c"] == comparison.compare(tables["a"], 0.5, tables["c"], 0.4)
    assert found.sides["c"].roc == curves.of(judged(tables["c"], 0.4)).roc
    assert found.sides["c"].judged.threshold == 0.4


def test_models_without_a_film_in_common_are_refused():
    with pytest.raises(UserError, match="no film in common"):
        lineup.of({"a": entry(1, slice(0, 20)), "b": entry(2, slice(20, 40))})
