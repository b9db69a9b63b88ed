"""Warnings before a run, each with a case where it is due and one where it is not."""

import dataclasses
import math

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import advice, machine, presets
from core.architectures import layers_of
from core.errors import UserError
from core.settings import TrainSettings

FILMS = 5000


def said(settings: TrainSettings, films: int = FILMS) -> str:
    return " ".join(found.what for found in advice.advise(settings, films))


def test_the_default_network_on_a_fair_number_of_films_needs_no_advice(monkeypatch):
    monkeypatch.setattr(machine, "memory_available", lambda: 8e9)
    assert advice.advise(TrainSettings(), FILMS) == []


def test_memory_that_will_not_suffice_comes_first(monkeypatch):
    monkeypatch.setattr(machine, "memory_available", lambda: 1e9)
    first = advice.advise(TrainSettings(batch_size=512, learning_rate=0.1), FILMS)[0]
    assert first.serious
    assert "1.0 GB are free" in first.what


@pytest.mark.parametrize(
    ("changes", "films", "words"),
    [
        ({"options": {"dense_units": 4000}}, FILMS, "million parameters, which take"),
        ({"options": {"filters": [8] * 6}}, FILMS, "points are left of a film"),
        ({"batch_size": 512}, 300, "larger than the"),
        ({"batch_size": 256}, 1000, "An epoch has only 3 batches"),
        ({}, 200, "About 30 films will validate"),
        ({"options": {"kernel_size": 15}}, FILMS, "look through 15 × 15 points of a map that has only 27"),
        ({"early_stopping": 3, "schedule": "cosine"}, FILMS, "before the cosine schedule"),
        ({"learning_rate": 0.01}, FILMS, "high for adam"),
        ({"learning_rate": 1e-6}, FILMS, "low for adam"),
        ({"mirror": True}, FILMS, "the heart on the right"),
        ({"early_stopping": 10}, FILMS, "never act"),
        ({"warmup_epochs": 10}, FILMS, "climbs during the whole run"),
    ],
)
def test_what_is_unusual_is_said(changes, films, words):
    assert words in said(TrainSettings(**changes), films)
    assert words not in said(TrainSettings(), FILMS)


def test_time_comes_from_what_was_measured_on_this_machine():
    assert advice.minutes(TrainSettings(), FILMS) is None
    machine.remember({"speed": {"float32": 100.0, "bfloat16": 200.0}})
    slow, fast = (60 * advice.minutes(TrainSettings(precision=name), FILMS) for name in ("float32", "bfloat16"))
    # Ten epochs of 3,500 films to train on and 750 to judge, 628 MFLOP a film, at 100 and 200 GFLOP/s.
    work = 10 * (3500 + 0.4 * 750) * 628e-3
    assert slow - fast == pytest.approx(work / 100 - work / 200, rel=0.01)
    assert work / 100 < slow < 1.3 * work / 100
    machine.remember({"speed": "rubbish"})
    assert advice.minutes(TrainSettings(), FILMS) is None


@pytest.mark.parametrize("name", presets.PRESETS)
def test_no_preset_is_warned_against(name):
    assert not any(found.serious for found in advice.advise(presets.apply(name, "phantoms"), FILMS))


def test_auto_is_judged_by_the_precision_that_will_be_chosen():
    machine.remember({"speed": {"float32": 100.0, "bfloat16": 200.0}})
    for speedup, name in ((1.1, "float32"), (1.9, "bfloat16")):
        machine.remember({"precision": {"bfloat16_speedup": speedup}})
        chosen, auto = TrainSettings(precision=name), TrainSettings()
        assert advice.minutes(auto, FILMS) == advice.minutes(chosen, FILMS)
        assert advice.memory_needed(auto) == advice.memory_needed(chosen)


def test_memory_that_others_use_now_is_told_apart_from_memory_there_is_none_of(monkeypatch):
    monkeypatch.setattr(machine, "memory_available", lambda: 1e9)
    for total, words in ((64e9, True), (1.2e9, False)):
        monkeypatch.setattr(machine, "memory_total", lambda total=total: total)
        assert ("what else is running" in advice.advise(TrainSettings(), FILMS)[0].fix) == words


def test_bfloat16_is_advised_against_only_where_it_was_measured_to_be_slower():
    settings = TrainSettings(precision="bfloat16")
    assert "bfloat16" not in said(settings)
    machine.remember({"precision": {"bfloat16_speedup": 0.5}})
    assert "bfloat16 takes 2.0 times as long" in said(settings)
    machine.remember({"precision": {"bfloat16_speedup": 1.8}})
    assert "bfloat16" not in said(settings)


@pytest.mark.parametrize("speed", [None, {}, {"float32": "fast"}, {"float32": 0}, {"float32": math.nan}, [1]])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_a_measurement_that_is_nonsense_counts_as_none(speed, precision):
    machine.remember({"speed": speed, "precision": speed})
    assert advice.minutes(TrainSettings(precision=precision), FILMS) is None
    advice.advise(TrainSettings(precision=precision), FILMS)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 256},
        {"image_size": 300},
        {"weight_averaging": "moving average"},
        {"options": {"dense_units": 1024}},
        {"options": {"filters": (64, 64, 128)}},
        {"options": {"activation": "gelu"}},
    ],
)
def test_what_takes_more_memory_is_expected_to(change):
    assert advice.memory_needed(TrainSettings(**change)) > advice.memory_needed(TrainSettings())


def knob(field: dataclasses.Field) -> st.SearchStrategy:
    low, high = field.metadata["low"], field.metadata["high"]
    if field.metadata["choices"]:
        return st.sampled_from(field.metadata["choices"])
    if field.type is bool:
        return st.booleans()
    return st.integers(low, high) if field.type is int else st.floats(low, high)


def settings_of(changes: dict) -> TrainSettings:
    """Skips what TrainSettings or the architecture refuse: of such settings no advice is asked."""
    try:
        settings = TrainSettings(**changes)
        layers_of(settings)
    except UserError:
        assume(False)
    return settings


@hypothesis_settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(
    st.fixed_dictionaries(
        {}, optional={field.name: knob(field) for field in dataclasses.fields(TrainSettings) if field.metadata}
    ),
    st.sampled_from(
        [
            {},
            {"filters": (3,), "pool_size": 1, "dense_units": 1},
            {"kernel_size": 9},
            {"kernel_size": 1},
            {"pool_size": 5},
        ]
    ),
    st.integers(0, 10**7),
)
def test_it_never_raises_for_settings_that_can_be_built(changes, options, films):
    settings = settings_of(changes | {"options": options})
    for found in advice.advise(settings, films):
        assert found.what.endswith(".")
        assert found.fix.endswith(".")
    assert advice.memory_needed(settings) > advice.FIXED_MEMORY
    machine.remember({"speed": {"float32": 100.0}})
    assert advice.minutes(dataclasses.replace(settings, precision="float32"), films) > 0
