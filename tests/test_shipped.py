"""The models that come with the project are what their cards say."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core import data, evaluation, model_card, model_store, release
from core.data.prepare import prepare
from core.prediction import Predictor
from core.settings import TrainSettings
from core.shifts import SHIFTS, UNSHIFTED
from tests.conftest import PROJECT

MODELS = PROJECT / "models"
CHEST, PHANTOMS = NAMES = ("chest-lite0", "phantoms")
LARGEST = 20_000_000


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_MODELS", str(MODELS))


def card_of(name: str) -> dict:
    return json.loads((MODELS / name / "card.json").read_text())


def test_the_model_of_real_films_is_the_default():
    assert [model.name for model in model_store.promoted() if model.name in NAMES] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_whole_small_and_bears_its_card(name):
    model = model_store.find(name)
    assert model.file.stat().st_size <= LARGEST
    assert model.card["made_with"]["versions"]["keras"]
    assert model.card["data"]["synthetic"] == (name == PHANTOMS)
    TrainSettings.from_json(model.card["settings"])
    text = (MODELS / name / "card.md").read_text()
    assert text == model_card.text(model.card)
    assert model_card.NOTICE in text


def test_the_figures_of_the_card_follow_from_the_scores_beside_it():
    card = card_of(CHEST)
    assert len(card["made_from"]) == card["cross_validation"]["folds"] >= 3
    assert card["looks"] == [release.NO_LOOKS]
    with (MODELS / CHEST / release.SCORES).open() as file:
        rows = list(csv.DictReader(file))
    every = release.Unseen(
        np.arange(len(rows)),
        np.array([int(row["label"]) for row in rows]),
        np.array([float(row["score"]) for row in rows]),
        np.array([int(row["fold"]) for row in rows]),
        np.array([f"{number}" for number in range(len(rows))]),
        np.array([row["shift"] for row in rows]),
    )
    plain = every.shifts == UNSHIFTED
    labels, scores = every.labels[plain], every.scores[plain]
    probabilities = np.array([float(row["probability"]) for row in rows])[plain]
    assert plain.sum() == card["data"]["films"]["train"]
    # The threshold is the probability of one of these films, which are written with six digits.
    called = probabilities >= card["operating_point"]["threshold"] * (1 - 1e-5)
    figures = {key: value["value"] for key, value in card["cross_validation"]["metrics"].items()}
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-5)
    assert figures["accuracy"] == pytest.approx((called == labels).mean())
    assert figures["sensitivity"] == pytest.approx(called[labels == 1].mean())
    assert figures["specificity"] == pytest.approx((~called[labels == 0]).mean())
    rule = next(name for name, words in RULES.items() if words in card["operating_point"]["rule"])
    again = release.cross_fitted(every, rule, 0.95)
    assert set(again["by_shift"]) == set(SHIFTS)
    for shift, before in card["cross_validation"]["by_shift"].items():
        assert again["by_shift"][shift] == pytest.approx(before, abs=1e-3)
    assert again["calibration_error"] == pytest.approx(card["cross_validation"]["calibration_error"], abs=1e-4)
    for before, now in zip(card["cross_validation"]["by_fold"], again["by_fold"], strict=True):
        assert now["threshold"] == pytest.approx(before["threshold"], abs=1e-3)
        assert now["roc_auc"] == pytest.approx(before["roc_auc"], abs=1e-5)


RULES = {"middle": "the middle of the gap", "youden": "Youden", "specificity": "specificity of at least"}


def test_the_model_of_real_films_answers_as_its_card_says(real_films):
    card, predictor = card_of(CHEST), Predictor.load(CHEST)
    prepared = prepare(data.load(str(real_films / "chest_xray")), predictor.spec)
    rows = np.arange(len(prepared.labels))[:: card["check"]["every"]]
    probabilities = predictor.probabilities(prepared.films[rows])
    assert len(rows) == card["check"]["films"]
    assert probabilities.mean() == pytest.approx(card["check"]["mean_probability"], abs=1e-3)
    called = probabilities >= predictor.threshold
    assert (called == prepared.labels[rows]).mean() == pytest.approx(card["check"]["accuracy"], abs=0.005)


def test_the_model_of_phantoms_is_as_good_as_its_report_says():
    predictor, stored = Predictor.load(PHANTOMS), model_store.find(PHANTOMS)
    reported = evaluation.stored(stored.file.parent)["validation"]
    found = evaluation.evaluate(predictor, stored.split, "phantoms", "validation")
    assert found.confusion == reported.confusion
    assert found.metrics["roc_auc"].value == pytest.approx(reported.metrics["roc_auc"].value, abs=1e-3)
    assert evaluation.evaluate(predictor, stored.split, "phantoms", "test").metrics["roc_auc"].low > 0.9
