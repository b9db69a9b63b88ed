"""Runs that begin with the weights of a promoted model: which settings fit it, and which suit a few films."""

import dataclasses

from core import architectures, model_store
from core.errors import UserError
from core.model_store import StoredModel
from core.settings import TrainSettings

# What becomes of a model's own recipe where it learns a little more, from as few as 200 films.
FINE_TUNING = {
    "epochs": 10,
    "batch_size": 16,
    "learning_rate": 0.0005,
    "head_epochs": 2,
    "backbone_rate": 0.2,
    "schedule": "cosine",
    "warmup_epochs": 0,
    "weight_averaging": "none",
    "early_stopping": 0,
    "keep": "best",
    "subtypes": False,
    "folds": 0,
    "fold": 1,
    "validation_fraction": TrainSettings.validation_fraction,
    "test_fraction": TrainSettings.test_fraction,
    "seed": 0,
}


def fine_tuning(model: StoredModel, data: str) -> TrainSettings:
    """Settings that go on from the model with films of that data set: its head first, then gently all of it."""
    own = model_store.settings_of(model.card, data)
    return dataclasses.replace(own, start=model.name, **FINE_TUNING)


def check(settings: TrainSettings) -> None:
    """Raises UserError if the model to start from is missing, changed, or another network than the settings'."""
    if not settings.start:
        return
    card = model_store.find(settings.start).card
    own = model_store.settings_of(card, settings.data)
    if own.architecture != settings.architecture or _weights(own) != _weights(settings):
        raise UserError(
            f"Model {settings.start} is another network than the one that these settings describe.",
            fix=f"Choose the architecture {own.architecture}, films of {own.image_size} pixels and the model's own "
            "options; or start from nothing.",
        )


def _weights(settings: TrainSettings) -> list[int]:
    return [layer.parameters for layer in architectures.layers_of(settings) if layer.parameters]
