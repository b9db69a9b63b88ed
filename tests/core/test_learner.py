"""What a network learns by: its loss, its two learning rates, its second head, and the model it starts from."""

import dataclasses

import keras
import numpy as np
import pytest

from core import model_store, starting, training, workspace
from core.errors import UserError
from core.learner import SUBTYPE_WEIGHT, Learner, Loss
from core.settings import TrainSettings
from tests.helpers import trained_here as trained

SMALL = TrainSettings(
    data="phantoms:60",
    architecture="residual",
    epochs=2,
    batch_size=16,
    image_size=48,
    precision="float32",
    options={"filters": [8, 8], "dropout": 0.0},
)


def learner(steps: int = 4, **changes) -> Learner:
    return Learner(dataclasses.replace(SMALL, **changes), "float32", 0, steps, (1.0, 1.0))


def step(model) -> None:
    films = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 1), dtype=np.uint8)
    model.train_on_batch(films, (np.arange(16)[:, None] % 2).astype(np.float32))


def moved(network: Learner) -> tuple[np.ndarray, np.ndarray]:
    """How far one step moves the stem's filters and the last layer's weights."""
    layers = [network.base.get_layer(name) for name in ("stem", "pneumonia")]
    before = [layer.get_weights()[0] for layer in layers]
    step(network.model)
    stem, last = (layer.get_weights()[0] - was for layer, was in zip(layers, before, strict=True))
    return stem, last


def test_the_loss_is_binary_cross_entropy_weighed_by_class():
    truth = np.array([[0.0], [1.0], [1.0]], np.float32)
    scores = np.array([[0.2], [0.7], [0.9]], np.float32)
    plain = keras.losses.BinaryCrossentropy(label_smoothing=0.1)(truth, scores)
    assert float(Loss(0.1)(truth, scores)) == pytest.approx(float(plain))
    each = [-np.log(0.8), -np.log(0.7), -np.log(0.9)]
    weighed = (3 * each[0] + 0.5 * each[1] + 0.5 * each[2]) / 3
    assert float(Loss(0.0, 0, (3.0, 0.5))(truth, scores)) == pytest.approx(weighed, rel=1e-5)


def test_a_subtype_adds_its_cross_entropy_and_a_film_without_adds_none():
    truth = np.array([[0, 0, 0], [1, 0, 1], [1, 0, 0]], np.float32)
    scores = np.array([[0.2, 0.5, 0.5], [0.7, 0.4, 0.6], [0.9, 0.1, 0.9]], np.float32)
    answer = float(Loss(0.0)(truth, scores))
    both = float(Loss(0.0, 2)(truth, scores))
    assert both == pytest.approx(answer - SUBTYPE_WEIGHT * np.log(0.6) / 3, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_the_features_move_at_their_share_of_the_rate_and_the_head_at_all_of_it(optimizer):
    rate = {"optimizer": optimizer, "learning_rate": 0.001}
    stem, last = moved(learner(**rate))
    slow_stem, slow_last = moved(learner(**rate, backbone_rate=0.1))
    assert np.abs(stem).max() > 0
    assert slow_last == pytest.approx(last, rel=1e-3, abs=1e-7)
    # The decay of AdamW's weights has the whole rate.
    assert slow_stem == pytest.approx(0.1 * stem, rel=0.01, abs=5e-6)


def test_while_the_head_comes_first_the_features_rest():
    network = learner(steps=2, head_epochs=1, optimizer="sgd")
    for _ in range(2):
        stem, last = moved(network)
        assert (stem == 0).all()
        assert np.abs(last).max() > 0
    stem, _ = moved(network)
    assert np.abs(stem).max() > 0


def test_subtypes_are_learnt_by_a_head_that_the_stored_model_has_not():
    run = trained(dataclasses.replace(SMALL, subtypes=True))
    stored = keras.models.load_model(run.folder / "best.keras", compile=False)
    assert stored.output.shape == (None, 1)
    assert "subtype" not in [layer.name for layer in stored.layers]
    plain = trained(SMALL)
    assert run.metrics["loss"][0] > plain.metrics["loss"][0] + 0.1
    # The loss of either is a sum; what is told of the answer speaks of the answer alone.
    assert run.metrics.keys() == plain.metrics.keys()
    assert 0 <= run.metrics["val_accuracy"][-1] <= 1


def test_where_the_data_tell_no_subtypes_none_are_learnt_and_the_log_says_so(tmp_path, capfd):
    from tests.helpers import write_tree

    place = write_tree(tmp_path / "films", {"NORMAL": 12, "PNEUMONIA": 12})
    run = trained(dataclasses.replace(SMALL, data=str(place), epochs=1, subtypes=True))
    assert run.has_model
    assert "does not tell subtypes" in capfd.readouterr().out


def test_balanced_sampling_weighs_no_film_besides():
    labels = np.array([0] * 10 + [1] * 30)
    assert training._class_weights(labels, dataclasses.replace(SMALL, class_weighting="sampling")) == (1, 1)
    assert training._class_weights(labels, dataclasses.replace(SMALL, class_weighting="balanced")) == (2, 40 / 60)


def test_a_run_begins_with_the_weights_of_the_model_and_its_patients_keep_their_part():
    first = trained(SMALL)
    model = model_store.promote(first.name, "teacher")
    settings = starting.fine_tuning(model, "phantoms:60")
    assert (settings.start, settings.architecture, settings.image_size) == ("teacher", "residual", 48)
    second = trained(
        dataclasses.replace(settings, epochs=1, learning_rate=1e-7, optimizer="sgd", seed=9, validation_fraction=0.3)
    )
    taught, teacher = (
        keras.models.load_model(path, compile=False) for path in (second.folder / "last.keras", model.file)
    )
    for one, other in zip(taught.weights, teacher.weights, strict=True):
        if "moving" not in one.path:
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert workspace.read_json(second.folder / "split.json") == model.split


def test_a_model_that_is_another_network_or_is_gone_is_refused_before_anything_starts():
    model_store.promote(trained(SMALL).name, "teacher")
    fits = dataclasses.replace(SMALL, start="teacher", options=SMALL.options | {"dropout": 0.5})
    starting.check(fits)
    for changes in ({"architecture": "simple_cnn", "options": {}}, {"options": {"filters": [8, 16]}}):
        with pytest.raises(UserError, match="another network"):
            starting.check(dataclasses.replace(fits, **changes))
    with pytest.raises(UserError, match="no model or run"):
        starting.check(dataclasses.replace(fits, start="gone"))
