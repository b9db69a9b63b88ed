"""A model from several folds: judged on what none of its networks had seen, and stored with the proof."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core import calibration, data, jobs, model_store, release, runs, training
from core.calibration import Calibration
from core.data.prepare import prepare
from core.errors import UserError
from core.settings import TrainSettings
from core.shifts import SHIFTS, UNSHIFTED

# From nothing, and so near each other only because they hardly move.
SETTINGS = TrainSettings(
    data="phantoms:60",
    architecture="residual",
    epochs=6,
    batch_size=16,
    image_size=48,
    learning_rate=0.0003,
    precision="float32",
    options={"filters": [8, 16]},
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path_factory.mktemp("folds")))
        yield


def finish(run) -> None:
    training.train(run)
    jobs.update(run.folder, state="finished")


@pytest.fixture(scope="module")
def folds(place):
    """A finished run for each of two folds, trained in this process."""
    found = []
    for settings in release.folds_of(SETTINGS, 2):
        run = runs.create(settings)
        finish(run)
        found.append(runs.get(run.name))
    return found


@pytest.fixture
def here(folds, monkeypatch):
    """The workspace that holds them; models go to a place of the test's own."""
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(folds[0].folder.parent.parent))
    return folds


def test_every_film_is_judged_once_by_the_network_that_had_not_seen_it(here):
    prepared = prepare(data.load(SETTINGS.data), SETTINGS.image_spec)
    answers = release.gather(here, prepared)
    unseen = answers.under(UNSHIFTED)
    assert sorted(unseen.rows) == list(range(len(prepared.labels)))
    for shift in SHIFTS:
        shifted = answers.under(shift)
        assert len(np.unique(shifted.rows)) == len(shifted.rows) >= len(prepared.labels) / release.SHIFTED
        known = dict(zip(unseen.rows, zip(unseen.folds, unseen.scores, strict=True), strict=True))
        folds, scores = zip(*(known[row] for row in shifted.rows), strict=True)
        np.testing.assert_array_equal(shifted.folds, folds)
        assert (shift == UNSHIFTED) == np.array_equal(shifted.scores, scores)
    for run in here:
        split = model_store.find(run.name).split
        mine = [name for name, fold in zip(unseen.patients, unseen.folds, strict=True) if fold == run.settings.fold]
        assert {split[name] for name in mine} == {"validation"}
    assert (unseen.labels == prepared.labels[unseen.rows]).all()


def test_a_block_too_small_for_a_sample_is_shifted_whole(here, monkeypatch):
    monkeypatch.setattr(release, "SHIFTED", 10_000)
    prepared = prepare(data.load(SETTINGS.data), SETTINGS.image_spec)
    answers = release.gather(here, prepared)
    assert sorted(answers.under("nearer").rows) == sorted(answers.under(UNSHIFTED).rows)
    assert set(release.cross_fitted(answers, "middle", 0.95)["by_shift"]) == set(SHIFTS)


def test_the_stored_model_is_the_mean_of_the_folds_and_its_card_can_be_checked(here):
    stored = release.release(here, "mean", "middle", 0.95)
    models = [
        keras.models.load_model(file, compile=False) for file in (stored.file, *(r.folder / "best.keras" for r in here))
    ]
    for mean, one, other in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_allclose(mean, (one.numpy() + other.numpy()) / 2, rtol=1e-6)
    card = json.loads((stored.file.parent / "card.json").read_text())
    with (stored.file.parent / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["shift"] for row in rows} == set(SHIFTS) == set(card["cross_validation"]["by_shift"])
    rows = [row for row in rows if row["shift"] == UNSHIFTED]
    labels, scores, probabilities = (
        np.array([float(row[name]) for row in rows]) for name in ("label", "score", "probability")
    )
    assert len({row["film"] for row in rows}) == len(rows) == card["data"]["films"]["train"]
    figures = card["cross_validation"]["metrics"]
    assert figures["roc_auc"]["value"] == pytest.approx(roc_auc_score(labels, scores))
    called = probabilities >= card["operating_point"]["threshold"]
    assert figures["accuracy"]["value"] == pytest.approx((called == labels).mean())
    assert probabilities == pytest.approx(
        calibration.calibrate(scores, Calibration(card["calibration"]["temperature"], card["calibration"]["bias"])),
        abs=1e-4,
    )
    assert card["looks"] == [release.NO_LOOKS]
    assert model_store.find("mean").split.keys() == set(
        prepare(data.load(SETTINGS.data), SETTINGS.image_spec).table["patient"]
    )


def test_what_is_said_of_a_fold_was_fitted_without_it():
    """Labels of a fold turned round: its own calibration and threshold do not follow them."""
    random = np.random.default_rng(0)
    labels, folds = np.arange(300) % 2, np.arange(300) % 3 + 1
    scores = 1 / (1 + np.exp(-random.normal(np.where(labels, 2, -2), 1)))
    names = np.array([*map(str, range(300))])
    unseen = release.Unseen(np.arange(300), labels, scores, folds, names, np.full(300, UNSHIFTED))
    turned = dataclasses.replace(unseen, labels=np.where(folds == 2, 1 - labels, labels))
    before, after = (release.cross_fitted(found, "middle", 0.95)["by_fold"][1] for found in (unseen, turned))
    assert after["threshold"] == before["threshold"]
    assert after["accuracy"] == pytest.approx(1 - before["accuracy"])


def test_the_threshold_stays_clear_of_films_taken_otherwise():
    """Normal films that score higher once they are shifted push it up; what is calibrated stays."""
    labels = np.arange(300) % 2
    scores = np.where(labels, 0.9, 0.1)
    names, folds = np.array([*map(str, range(300))]), np.ones(300, int)
    plain = release.Unseen(np.arange(300), labels, scores, folds, names, np.full(300, UNSHIFTED))
    nearer = dataclasses.replace(plain, scores=np.where(labels, 0.95, 0.6), shifts=np.full(300, "nearer"))
    both = release.Unseen(
        *(
            np.concatenate([getattr(part, field.name) for part in (plain, nearer)])
            for field in dataclasses.fields(plain)
        )
    )
    (fitted, alone), (again, together) = release.fit(plain, "middle", 0), release.fit(both, "middle", 0)
    assert fitted == again
    high, low = calibration.calibrate(np.array([0.6, 0.1]), fitted)
    assert low < alone.threshold < high < together.threshold


def test_folds_that_are_finished_are_not_trained_again(here, monkeypatch):
    monkeypatch.setattr(runs, "start", lambda settings: pytest.fail("there was nothing to train"))
    assert [run.name for run in release.train_folds(SETTINGS, 2, finish)] == [run.name for run in here]


def test_a_missing_fold_is_trained_and_one_that_fails_ends_it(here, monkeypatch):
    started = []
    monkeypatch.setattr(runs, "start", lambda settings: started.append(runs.create(settings)) or started[-1])
    with pytest.raises(UserError, match=" is "):
        release.train_folds(dataclasses.replace(SETTINGS, seed=4), 2, lambda run: None)
    assert [run.settings.fold for run in started] == [1]
    runs.remove(started[0].name)


def test_runs_that_are_not_all_folds_of_one_training_are_refused(here):
    for found in (here[:1], here[::-1], [here[0], here[0]]):
        with pytest.raises(UserError, match="not all the folds"):
            release.release(found, "odd", "middle", 0.95)
    release.release(here, "taken", "youden", 0.95)
    with pytest.raises(UserError, match="named taken"):
        release.release(here, "taken", "youden", 0.95)


def test_networks_that_have_no_mean_are_not_released(here, monkeypatch):
    def scrambled(found):
        model = keras.models.load_model(found[0].folder / "best.keras", compile=False)
        for variable in model.weights:
            variable.assign(np.random.default_rng(0).permutation(variable.numpy().ravel()).reshape(variable.shape) * 3)
        return model

    monkeypatch.setattr(release, "averaged", scrambled)
    with pytest.raises(UserError, match="too far from each other"):
        release.release(here, "scrambled", "middle", 0.95)
    assert not (model_store.models_folder() / "scrambled").exists()
