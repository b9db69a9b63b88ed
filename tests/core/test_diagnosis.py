"""Each remark where it belongs, none where it does not, and never an exception."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.diagnosis import (
    NOTHING,
    ONE_CLASS,
    OVERFITTING,
    RUNAWAY,
    SLOW_DATA,
    UNCERTAIN,
    UNFINISHED,
    diagnose,
)
from core.settings import TrainSettings

GOOD = {
    "epoch": [0, 1, 2, 3, 4],
    "loss": [0.5, 0.3, 0.2, 0.15, 0.12],
    "val_loss": [0.4, 0.3, 0.25, 0.24, 0.25],
    "val_roc_auc": [0.9, 0.95, 0.97, 0.975, 0.974],
    "val_sensitivity": [0.9, 0.92, 0.95, 0.96, 0.97],
    "val_specificity": [0.8, 0.85, 0.9, 0.9, 0.91],
}
DETAILS = {"validation": {"normal": 400, "pneumonia": 900}, "data_share": 0.1}
SETTINGS = TrainSettings(epochs=5, learning_rate=0.01)


def kinds(changes: dict | None = None, details: dict | None = None) -> dict:
    found = diagnose(GOOD | (changes or {}), DETAILS | (details or {}), SETTINGS)
    return {remark.kind: remark for remark in found}


def test_a_good_run_needs_no_remark():
    assert kinds() == {}
    assert diagnose({}, {}, SETTINGS) == []


def test_a_network_that_always_gives_the_same_answer_is_named_with_its_epoch():
    found = kinds({"val_sensitivity": [0.9, 0.9, 1, 1, 1], "val_specificity": [0.8, 0.8, 0, 0, 0]})[ONE_CLASS]
    assert found.epoch == 3
    assert "PNEUMONIA, since epoch 3" in found.what
    found = kinds({"val_sensitivity": [0.0] * 5, "val_specificity": [1.0] * 5})[ONE_CLASS]
    assert "NORMAL, since epoch 1" in found.what


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_asks_for_a_tenth_of_the_learning_rate(loss):
    found = kinds({"loss": [0.5, 0.4, loss, loss, loss]})[RUNAWAY]
    assert found.epoch == 3
    assert "0.001" in found.fix


def test_a_loss_that_explodes_is_named_while_one_that_starts_high_and_falls_is_not():
    assert kinds({"loss": [0.5, 0.4, 7.0, 5.0, 4.0]})[RUNAWAY].epoch == 3
    assert RUNAWAY not in kinds({"loss": [2.0, 0.6, 0.4, 0.3, 0.2]})


def test_a_loss_that_stays_above_guessing_is_named_after_some_epochs():
    assert "never came below 0.90" in kinds({"loss": [1.2, 1.0, 0.9, 0.95, 1.1]})[RUNAWAY].what
    assert RUNAWAY not in kinds({"epoch": [0, 1], "loss": [1.2, 1.0]})
    assert RUNAWAY not in kinds({"loss": [1.2, 1.0, 0.9, 0.95, 0.7]})


def test_nothing_learnt_is_said_after_some_epochs_only():
    assert NOTHING in kinds({"val_roc_auc": [0.5, 0.51, 0.49, 0.5, 0.52]})
    assert NOTHING not in kinds({"epoch": [0, 1], "val_roc_auc": [0.5, 0.51]})


def test_overfitting_is_dated_from_the_epoch_after_the_best():
    found = kinds({"val_loss": [0.4, 0.3, 0.35, 0.4, 0.5]})[OVERFITTING]
    assert found.epoch == 3
    assert OVERFITTING not in kinds({"val_loss": [0.4, 0.3, 0.31, 0.32, 0.31]})
    # where the training loss rises as well, something else is wrong
    assert OVERFITTING not in kinds({"val_loss": [0.4, 0.3, 0.5, 0.5, 0.5], "loss": [0.3, 0.2, 0.3, 0.3, 0.4]})


def test_a_small_validation_part_is_told_with_its_points():
    found = kinds(details={"validation": {"normal": 30, "pneumonia": 900}})[UNCERTAIN]
    assert "30 normal films" in found.what
    assert "±11 points" in found.what
    assert UNCERTAIN not in kinds(details={"validation": {"normal": 300, "pneumonia": 900}})


def test_a_network_that_waits_for_its_films_is_told_so():
    assert "90%" in kinds(details={"data_share": 0.9})[SLOW_DATA].what
    assert SLOW_DATA not in kinds(details={"data_share": 0.6})


def test_a_run_that_was_still_rising_may_go_on():
    assert UNFINISHED in kinds({"val_roc_auc": [0.8, 0.85, 0.9, 0.93, 0.95]})
    assert UNFINISHED not in kinds({"epoch": [0, 1, 2, 3], "val_roc_auc": [0.85, 0.9, 0.93, 0.95]})


anything = st.one_of(st.none(), st.floats(), st.text(max_size=3), st.integers(), st.just(10**400))
values = st.lists(st.one_of(st.floats(), st.floats(0, 2), st.sampled_from([0.0, 1.0]), anything), max_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*GOOD, "other"]), values),
    st.dictionaries(
        st.sampled_from([*DETAILS]),
        st.one_of(anything, st.dictionaries(st.sampled_from(["normal", "pneumonia"]), anything)),
    ),
)
def test_it_never_raises(table, details):
    for remark in diagnose(table, details, SETTINGS):
        assert remark.what
        assert remark.fix
