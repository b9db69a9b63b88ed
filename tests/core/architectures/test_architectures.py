"""Every registered architecture keeps the contract, unasked."""

import numpy as np
import pytest

from core.architectures import ARCHITECTURES
from core.errors import UserError


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("size", [64, 150])
def test_it_maps_uint8_films_to_one_sigmoid_unit_and_names_its_features(name, size):
    architecture = ARCHITECTURES[name]
    model = architecture.build(size, architecture.Options())
    films = np.random.default_rng(0).integers(0, 256, (2, size, size, 1), dtype=np.uint8)
    scores = model(films).numpy()
    assert model.input.dtype == "uint8"
    assert scores.shape == (2, 1)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    assert len(model.get_layer("features").output.shape) == 4


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("learning", [False, True])
def test_the_form_that_trains_is_the_same_network_and_moves_the_same_statistics(name, learning):
    architecture = ARCHITECTURES[name]
    options = architecture.Options(dropout=0.0)
    trains = getattr(architecture, "build_for_training", architecture.build)(64, options)
    stored = architecture.build(64, options)
    stored.set_weights(trains.get_weights())
    films = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 1), dtype=np.uint8)
    np.testing.assert_allclose(stored(films, training=learning), trains(films, training=learning), rtol=1e-3, atol=1e-5)
    for one, other in zip(stored.weights, trains.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4, err_msg=one.path)


def test_efficientnet_begins_with_the_weights_that_its_provenance_names():
    import hashlib
    import json

    lite = ARCHITECTURES["efficientnet_lite"]
    about = json.loads(lite.WEIGHTS.with_suffix(".json").read_text())
    assert hashlib.sha256(lite.WEIGHTS.read_bytes()).hexdigest() == about["sha256"]
    begun, random = (lite.build(64, lite.Options(weights=weights)) for weights in ("imagenet", "random"))
    with np.load(lite.WEIGHTS) as stored:
        weights = {f"{layer.name}/{w.name}": w.numpy() for layer in begun.layers for w in layer.weights}
        for name, value in stored.items():
            np.testing.assert_array_equal(weights[name], value.astype(np.float32), err_msg=name)
        # All but the answer's own weights begin there.
        assert weights.keys() - set(stored) == {"pneumonia/kernel", "pneumonia/bias"}
    kernel = random.get_layer("block5_look").get_weights()[0]
    assert not np.allclose(kernel, weights["block5_look/kernel"])


def test_densenet_takes_the_weights_that_keras_has_and_is_the_same_network(monkeypatch):
    """Keras's network with weights of chance stands for the downloaded one; on equal colours both see the same."""
    import keras

    from core.architectures import densenet

    random = np.random.default_rng(0)
    original = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(64, 64, 3))
    for variable in original.weights:
        if "variance" not in variable.path:
            variable.assign(variable + 0.02 * random.standard_normal(variable.shape))
    monkeypatch.setattr(densenet, "_original", lambda: original)
    model = densenet.build(64, densenet.Options(weights="imagenet"))
    films = random.integers(0, 256, (2, 64, 64, 1), dtype=np.uint8)
    ours = keras.Model(model.input, model.get_layer("features").output)(films)
    grey = (films.astype(np.float32) / 255 - densenet.MEAN) / densenet.DEVIATION
    theirs = original(np.repeat(grey, 3, axis=3))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_densenet_says_so_where_there_is_no_network(monkeypatch):
    import keras

    from core.architectures import densenet

    def unreachable(*arguments, **named):
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setattr(keras.applications, "DenseNet121", unreachable)
    with pytest.raises(UserError, match="cannot be downloaded"):
        densenet.build(64, densenet.Options(weights="imagenet"))


def test_the_simple_network_is_layer_by_layer_the_one_asked_for():
    from keras import layers

    simple = ARCHITECTURES["simple_cnn"]
    model = simple.build(150, simple.Options())
    kinds = [type(layer) for layer in model.layers[2:]]
    assert kinds == [*[layers.Conv2D, layers.MaxPooling2D] * 3, layers.Flatten, layers.Dense, layers.Dense]
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 64, 128]
    assert {layer.kernel_size for layer in convolutions} == {(2, 2)}
    assert {layer.activation.__name__ for layer in convolutions} == {"relu"}
    hidden, last = model.layers[-2:]
    assert (hidden.units, hidden.activation.__name__) == (512, "relu")
    assert (last.units, last.activation.__name__) == (1, "sigmoid")
    assert model.count_params() == 160 + 8_256 + 32_896 + 18_940_416 + 513


@pytest.mark.parametrize("activation", ["relu", "elu", "leaky_relu", "tanh", "gelu", "silu"])
def test_the_form_that_trains_is_the_same_function_of_the_film(activation):
    simple = ARCHITECTURES["simple_cnn"]
    options = simple.Options(filters=(8, 16), dense_units=16, activation=activation)
    stored, trains = (build(48, options) for build in (simple.build, simple.build_for_training))
    trains.set_weights(stored.get_weights())
    films = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    np.testing.assert_allclose(stored(films), trains(films), rtol=1e-6)
    kinds = [type(layer).__name__ for layer in trains.layers]
    assert (kinds[3:5] == ["MaxPooling2D", "Activation"]) == (activation not in ("gelu", "silu"))


def test_every_option_of_the_simple_network_changes_it():
    simple = ARCHITECTURES["simple_cnn"]
    plain = simple.build(64, simple.Options())
    changed = simple.build(
        64,
        simple.Options(filters=(4, 8), kernel_size=3, pool_size=3, activation="tanh", dense_units=7, dropout=0.5),
    )
    assert [type(layer).__name__ for layer in changed.layers].count("Conv2D") == 2
    assert changed.get_layer("features").kernel_size == (3, 3)
    assert changed.layers[-3].units == 7
    assert changed.layers[-2].rate == 0.5
    assert changed.count_params() < plain.count_params()
