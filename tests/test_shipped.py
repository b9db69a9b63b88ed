"""The models that come with the project are what their cards say."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core import data, model_store, release
from core.data.prepare import prepare
from core.settings import TrainSettings
from tests.conftest import PROJECT

MODELS = PROJECT / "models"
NAMES = ("chest-lite0", "phantoms")
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
    assert model.card["made_with"]["versions"]["tensorflow"]
    assert len(model.card["made_from"]) == model.card["cross_validation"]["folds"] >= 3
    assert model.card["looks"] == [release.NO_LOOKS]
    TrainSettings.from_json(model.card["settings"])
    text = (MODELS / name / "card.md").read_text()
    assert text == model_store.card_text(model.card)
    assert model_store.NOTICE in text


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_of_the_card_follow_from_the_scores_beside_it(name):
    card = card_of(name)
    with (MODELS / name / release.SCORES).open() as file:
        rows = list(csv.DictReader(file))
    labels, scores, probabilities = (
        np.array([float(row[column]) for row in rows]) for column in ("label", "score", "probability")
    )
    assert len({row["film"] for row in rows}) <= len(rows) == card["data"]["films"]["train"]
    called = probabilities >= card["operating_point"]["threshold"]
    figures = {key: value["value"] for key, value in card["cross_validation"]["metrics"].items()}
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-5)
    assert figures["accuracy"] == pytest.approx((called == labels).mean())
    assert figures["sensitivity"] == pytest.approx(called[labels == 1].mean())
    assert figures["specificity"] == pytest.approx((~called[labels == 0]).mean())
    unseen = release.Unseen(
        np.arange(len(rows)),
        labels.astype(int),
        scores,
        np.array([int(row["fold"]) for row in rows]),
        (*map(str, rows),),
    )
    rule = next(name for name, words in RULES.items() if words in card["operating_point"]["rule"])
    again = release.cross_fitted(unseen, rule, 0.95)
    assert again["calibration_error"] == pytest.approx(card["cross_validation"]["calibration_error"], abs=1e-4)
    for before, now in zip(card["cross_validation"]["by_fold"], again["by_fold"], strict=True):
        assert now["threshold"] == pytest.approx(before["threshold"], abs=1e-3)
        assert now["roc_auc"] == pytest.approx(before["roc_auc"], abs=1e-5)


RULES = {"middle": "the middle of the gap", "youden": "Youden", "sensitivity": "sensitivity of at least"}


def answers_as_it_did(name: str, key: str) -> None:
    from core.prediction import Predictor

    card, predictor = card_of(name), Predictor.load(name)
    prepared = prepare(data.load(key), predictor.spec)
    assert (
        card["data"]["sha256"]["films"]
        == release.data_card.describe(
            prepared,
            TrainSettings.from_json(card["settings"]),
            np.array(["train"] * len(prepared.labels), dtype=object),
        )["sha256"]["films"]
    )
    rows = np.arange(len(prepared.labels))[:: card["check"]["every"]]
    probabilities = predictor.probabilities(prepared.films[rows])
    assert probabilities.mean() == pytest.approx(card["check"]["mean_probability"], abs=1e-3)
    called = probabilities >= predictor.threshold
    assert (called == prepared.labels[rows]).mean() == pytest.approx(card["check"]["accuracy"], abs=0.005)


def test_the_model_of_phantoms_answers_as_its_card_says():
    answers_as_it_did("phantoms", "phantoms")


def test_the_model_of_real_films_answers_as_its_card_says(real_films):
    answers_as_it_did("chest-lite0", str(real_films / "chest_xray"))
