import dataclasses
import json

import pytest

from core import architectures
from core.architectures import ARCHITECTURES
from core.errors import UserError
from core.settings import TrainSettings, parse


def test_the_defaults_are_the_network_that_was_asked_for():
    settings = TrainSettings()
    options = architectures.options_of(settings)
    assert (settings.image_size, settings.batch_size, settings.optimizer) == (150, 32, "adam")
    assert (options.filters, options.kernel_size, options.dense_units) == ((32, 64, 128), 2, 512)
    assert options.activation == "relu"


def test_settings_survive_json():
    settings = TrainSettings(options={"filters": [8, 16]}, learning_rate=0.01)
    assert TrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": True},
        {"batch_size": 10**6},
        {"image_size": 8},
        {"learning_rate": float("nan")},
        {"learning_rate": 0},
        {"optimizer": "magic"},
        {"class_weighting": "some"},
        {"seed": -1},
        {"validation_fraction": 0.5, "test_fraction": 0.5},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_refused_with_what_would_do(values):
    with pytest.raises(UserError) as caught:
        TrainSettings.from_json(values)
    assert next(iter(values)) in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    "options",
    [
        {"filters": []},
        {"filters": [0]},
        {"kernel_size": 0},
        {"dropout": 1.0},
        {"activation": "bend"},
        {"dense_units": 8192, "filters": [512]},
        {"filters": [8] * 9},
        {"layers": 3},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_built_is_refused_before_anything_starts(options):
    with pytest.raises(UserError) as caught:
        architectures.options_of(TrainSettings(options=options))
    assert caught.value.fix


def test_an_unknown_architecture_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="castle") as caught:
        architectures.options_of(TrainSettings(architecture="castle"))
    assert "simple_cnn" in caught.value.fix


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_option_explains_itself(name):
    for field in dataclasses.fields(ARCHITECTURES[name].Options):
        assert field.metadata["label"]
        assert field.metadata["help"]


def test_text_from_the_command_line_becomes_the_fields_type():
    fields = {field.name: field for field in dataclasses.fields(TrainSettings)}
    assert parse(fields["epochs"], "3") == 3
    assert parse(fields["learning_rate"], "1e-3") == 0.001
    with pytest.raises(UserError, match="epochs"):
        parse(fields["epochs"], "many")
