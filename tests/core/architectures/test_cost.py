"""What a network is said to cost is what it costs once it is built."""

import dataclasses
import functools
import gc

import keras
import pytest

from core import architectures
from core.architectures import ARCHITECTURES
from core.architectures.cost import LayerCost, training_mflop
from core.errors import UserError
from core.settings import TrainSettings

OTHER_OPTIONS = {
    "simple_cnn": (
        {"filters": (5,), "kernel_size": 1, "pool_size": 1, "dense_units": 3},
        {"filters": (4, 8, 6), "kernel_size": 3, "pool_size": 3, "dropout": 0.5, "activation": "tanh"},
        {"filters": (3, 7), "kernel_size": 7, "pool_size": 2, "dense_units": 11},
    ),
    "residual": ({"filters": (8, 16), "blocks": 2, "dropout": 0.0}, {"filters": (24,)}),
    "densenet": ({"dropout": 0.0},),
    "efficientnet_lite": ({"weights": "random", "dropout": 0.0},),
}
CASES = [
    (name, size, options)
    for name in ARCHITECTURES
    for size, options in ((64, {}), (150, {}), *((101, options) for options in OTHER_OPTIONS.get(name, ())))
]


@pytest.fixture(scope="module", autouse=True)
def forgotten_afterwards():
    """A dozen networks kept alive would slow down every later test: the garbage collector looks at all of them."""
    yield
    layers_of_the_built.cache_clear()
    keras.backend.clear_session()
    gc.collect()


@functools.lru_cache
def layers_of_the_built(name, size, options):
    """Building takes seconds, and several tests look at the same network."""
    architecture = ARCHITECTURES[name]
    return architecture.build(size, architecture.Options(**dict(options))).layers[1:]


@pytest.mark.parametrize(("name", "size", "options"), CASES)
def test_layers_foretells_every_layer_of_the_built_network(name, size, options):
    architecture = ARCHITECTURES[name]
    built = layers_of_the_built(name, size, tuple(options.items()))
    options = architecture.Options(**options)
    options.check(size)
    # Keras may list the two ways past each other of a residual block in another order.
    foretold = {row.name: (row.kind, row.shape, row.parameters) for row in architecture.layers(size, options)}
    assert foretold == {
        layer.name: (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params()) for layer in built
    }


@pytest.mark.parametrize(("name", "size", "options"), CASES)
def test_the_work_of_a_layer_is_two_operations_for_each_weight_and_place_it_is_used_at(name, size, options):
    architecture = ARCHITECTURES[name]
    rows = {row.name: row for row in architecture.layers(size, architecture.Options(**options))}
    for layer in layers_of_the_built(name, size, tuple(options.items())):
        places = layer.output.shape[1] * layer.output.shape[2] if len(layer.output.shape) == 4 else 1
        weights = layer.kernel.shape.num_elements() if hasattr(layer, "kernel") else 0
        assert rows[layer.name].mflop == pytest.approx(2 * weights * places / 1e6)


def test_the_default_network_has_19_million_parameters_and_takes_628_million_operations_a_film():
    rows = architectures.layers_of(TrainSettings())
    assert sum(row.parameters for row in rows) == 18_982_241
    assert training_mflop(rows) == pytest.approx(628, abs=0.5)


def test_the_first_layer_with_weights_needs_no_gradient_of_its_input():
    rows = [LayerCost("rescaling", "Rescaling", (4,), 0, 0.0), LayerCost("a", "Dense", (2,), 10, 5.0)]
    assert training_mflop(rows) == 10
    assert training_mflop([*rows, LayerCost("b", "Dense", (1,), 3, 2.0)]) == 16
    assert training_mflop(rows[:1]) == 0


def test_a_row_tells_how_many_numbers_the_layer_puts_out():
    assert LayerCost("a", "Conv2D", (3, 4, 5), 0, 0.0).values == 60


def test_layers_of_refuses_what_cannot_be_built():
    with pytest.raises(UserError, match="Nothing is left"):
        architectures.layers_of(dataclasses.replace(TrainSettings(), image_size=16, options={"filters": (8,) * 5}))
    with pytest.raises(UserError, match="no architecture"):
        architectures.layers_of(dataclasses.replace(TrainSettings(), architecture="none"))
