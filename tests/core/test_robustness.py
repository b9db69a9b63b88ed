"""Damage grows level by level, and the figures under it are those of the films the evaluation judges."""

import dataclasses
import json
import math

import cv2
import numpy as np
import pytest

from core import data, evaluation, images, robustness, workspace
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec
from core.metrics import Interval
from core.robustness import FAMILIES, FIGURES, LIMIT, Level, Robustness
from core.settings import TrainSettings
from tests.helpers import film

DATA = "phantoms:60"
LEVELS = [(family, label) for family, levels in FAMILIES.items() for label, _ in levels]
FILMS = [film(seed, "lobar" if seed % 2 else "") for seed in range(6)]
SIDES = (64, 150, 224)
# Grey of the lower lungs: about half the phantoms are brighter there.
MIDDLE = 142
FOUND = Robustness(
    model="small",
    data="Drawings",
    films_hash="f" * 64,
    part="test",
    made="2026-11-23 08:19:33",
    films=8,
    threshold=0.5,
    untouched={"accuracy": Interval(0.75, 0.41, 0.93), "roc_auc": Interval(math.nan, math.nan, math.nan)},
    levels=[Level("blur", "1% of the side", {"accuracy": Interval(0.5, 0.22, 0.78)})],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared once")


@pytest.fixture(autouse=True)
def here(place, workspace, monkeypatch):
    """One workspace for all these tests: each of them would draw the phantoms anew."""
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(place))


class Guesser:
    """Answers by how bright the lower lungs are, as `core.prediction.Predictor` would, and remembers what it saw."""

    name = "guesser"
    threshold = 0.5

    def __init__(self, equalise="none"):
        self.spec = ImageSpec(64, equalise=equalise)
        settings = TrainSettings(data=DATA, image_size=64, equalise=equalise).to_json()
        del settings["data"]
        counts = [{"part": "train", "class": name, "films": 50} for name in ("NORMAL", "PNEUMONIA")]
        self.card = {
            "settings": settings,
            "image_spec": dataclasses.asdict(self.spec),
            "operating_point": {"threshold": self.threshold, "rule": "even odds"},
            "data": {"name": "elsewhere", "synthetic": True, "sha256": {"films": "other"}, "counts": counts},
        }
        self.seen = []

    def probabilities(self, films):
        self.seen.append(films)
        lungs = films[:, 20:48, 12:52].astype(float)
        return 1 / (1 + np.exp((MIDDLE - lungs.mean(axis=(1, 2))) / 20))


class Speechless(Guesser):
    def probabilities(self, films):
        return np.full(len(films), np.nan)


def ignore(done, total):
    pass


def damaged(family, label, picture):
    return dict(FAMILIES[family])[label](picture)


def sized(side):
    return [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in FILMS]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("family", "label"), LEVELS)
def test_every_level_changes_a_film_and_leaves_it_a_film(family, label, side):
    for picture in sized(side):
        before = picture.copy()
        found = damaged(family, label, picture)
        assert found.shape == picture.shape
        assert found.dtype == np.uint8
        assert (found != picture).any()
        np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_stronger_level_takes_a_film_farther_from_itself(family, side):
    for picture in sized(side):
        strayed = [np.abs(damage(picture).astype(float) - picture).mean() for _, damage in FAMILIES[family]]
        if family in ("brightness", "contrast"):
            far_below, below, above, far_above = strayed
            assert far_below > below
            assert above < far_above
        else:
            assert strayed[0] < strayed[1] < strayed[2]


@pytest.mark.parametrize(("family", "label"), LEVELS)
def test_a_film_is_damaged_alike_each_time(family, label):
    np.testing.assert_array_equal(damaged(family, label, FILMS[0]), damaged(family, label, FILMS[0].copy()))


def test_chance_differs_from_film_to_film():
    grey = [np.full((64, 64), level, np.uint8) for level in (100, 101)]
    noise = [damaged("noise", "5% of white", film).astype(int) - film for film in grey]
    assert (noise[0] != noise[1]).any()
    upper_half = np.zeros((101, 101), np.uint8)
    upper_half[:50] = 200
    leaning = {
        bool(damaged("rotation", "20°", upper_half + np.uint8(level))[50, :40].mean() > 100 + level)
        for level in range(16)
    }
    assert leaning == {True, False}


def test_exposure_goes_the_way_its_labels_say():
    picture = FILMS[0]
    means = [damage(picture).mean() for _, damage in FAMILIES["brightness"]]
    assert means[1] < picture.mean() < means[2]
    spreads = [damage(picture).std() for _, damage in FAMILIES["contrast"]]
    assert spreads[1] < picture.std() < spreads[2]


@pytest.mark.parametrize("equalise", images.EQUALISATIONS)
@pytest.mark.parametrize("part", ["all", "test"])
def test_untouched_figures_are_those_of_the_evaluation(part, equalise):
    guesser = Guesser(equalise)
    found = robustness.test(guesser, {}, DATA, part, ignore)
    report = evaluation.evaluate(guesser, {}, DATA, part)
    assert found.untouched == {name: report.metrics[name] for name in FIGURES}
    assert (found.films, found.model, found.data, found.part) == (report.films, report.model, report.data, part)
    assert [(level.family, level.label) for level in found.levels] == LEVELS
    assert all(level.metrics.keys() == set(FIGURES) for level in found.levels)
    assert any(level.metrics != found.untouched for level in found.levels)


def test_patients_that_were_trained_on_are_not_judged():
    prepared = prepare(data.load(DATA), ImageSpec(64))
    patients = list(dict.fromkeys(prepared.table["patient"]))
    split = {patient: ("train", "test")[number % 2] for number, patient in enumerate(patients)}
    found = robustness.test(Guesser(), split, DATA, "test", ignore)
    assert found.films == evaluation.evaluate(Guesser(), split, DATA, "test").films
    assert found.films == sum(split[patient] == "test" for patient in prepared.table["patient"])


def test_films_are_damaged_before_they_are_equalised():
    guesser = Guesser("clahe")
    robustness.test(guesser, {}, DATA, "all", ignore)
    plain = prepare(data.load(DATA), ImageSpec(64)).films
    last = FAMILIES["cropping"][-1][1]
    expected = np.stack([images.equalised(last(film), guesser.spec) for film in plain])
    np.testing.assert_array_equal(np.concatenate(guesser.seen)[-len(plain) :], expected)


def test_progress_grows_until_it_reaches_its_total():
    steps = []
    found = robustness.test(Guesser(), {}, DATA, "all", lambda done, total: steps.append((done, total)))
    done, totals = zip(*steps, strict=True)
    assert set(totals) == {found.films * (1 + len(LEVELS))}
    assert list(done) == sorted(set(done))
    assert done[-1] == totals[-1]


def test_of_many_films_the_same_few_of_each_class_are_judged(monkeypatch):
    monkeypatch.setattr(robustness, "LIMIT", 10)
    guessers = Guesser(), Guesser()
    found = [robustness.test(guesser, {}, DATA, "all", ignore) for guesser in guessers]
    assert found[0].films == found[1].films == 20
    np.testing.assert_array_equal(*(np.concatenate(guesser.seen) for guesser in guessers))


def test_the_films_kept_are_spread_over_all_there_are():
    labels = np.repeat([0, 1], [1000, 50])
    kept = robustness._thinned(np.arange(1050), labels)
    assert len(np.unique(kept)) == len(kept) == LIMIT + 50
    normal = kept[labels[kept] == 0]
    assert np.diff(normal, prepend=0, append=1000).max() <= 4


def test_a_part_without_a_class_is_refused_as_by_the_evaluation():
    prepared = prepare(data.load(DATA), ImageSpec(64))
    split = {
        patient: "validation" if label else "test"
        for patient, label in zip(prepared.table["patient"], prepared.labels, strict=True)
    }
    with pytest.raises(UserError, match="holds no PNEUMONIA film"):
        robustness.test(Guesser(), split, DATA, "test", ignore)


def test_nan_answers_are_refused_with_their_number():
    with pytest.raises(UserError, match=r"guesser answers nothing \(NaN\) for 110 of 110"):
        robustness.test(Speechless(), {}, DATA, "all", ignore)


def test_figures_are_read_as_they_were_written(tmp_path):
    robustness.save(FOUND, tmp_path)
    again = robustness.stored(tmp_path, "test")
    assert json.dumps(again.to_json()) == json.dumps(FOUND.to_json())
    assert again.levels == FOUND.levels
    assert math.isnan(again.untouched["roc_auc"].value)
    assert robustness.stored(tmp_path, "validation") is None


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"version": robustness.VERSION},
        FOUND.to_json() | {"version": robustness.VERSION - 1},
        FOUND.to_json() | {"levels": [1]},
        FOUND.to_json() | {"untouched": {"accuracy": {"value": 1}}},
        FOUND.to_json() | {"unheard_of": 1},
    ],
    ids=["null", "list", "empty", "old", "odd levels", "half an interval", "unknown field"],
)
def test_figures_that_cannot_be_read_are_none(values, tmp_path):
    workspace.write_json(robustness.file_of(tmp_path, "test"), values)
    assert robustness.stored(tmp_path, "test") is None


def test_a_damaged_file_is_none(tmp_path):
    robustness.file_of(tmp_path, "test").write_text('{"version": 1, "lev')
    assert robustness.stored(tmp_path, "test") is None
