"""Presets can be trained as they stand."""

import pytest

from core import architectures, presets
from core.presets import PRESETS
from core.settings import TrainSettings


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_settings_that_can_be_trained(name):
    settings = presets.apply(name, "phantoms:60")
    assert settings.data == "phantoms:60"
    architectures.options_of(settings)
    assert PRESETS[name].title
    assert PRESETS[name].text.endswith(".")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_the_way_to_disk_and_back(name):
    settings = presets.apply(name, "phantoms")
    assert TrainSettings.from_json(settings.to_json()) == settings


def test_the_mission_s_network_is_the_default_in_everything():
    assert presets.apply("mission", "phantoms") == TrainSettings()


def test_a_quick_look_costs_a_fraction_of_the_mission_s_network():
    from core.architectures.cost import training_mflop

    def work(name: str) -> float:
        settings = presets.apply(name, "phantoms")
        return settings.epochs * training_mflop(architectures.layers_of(settings))

    assert work("quick") < work("mission") / 30
