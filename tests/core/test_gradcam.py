"""Heat maps of every registered architecture, and of networks whose heat is known beforehand."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from core import architectures, gradcam
from core.architectures import ARCHITECTURES
from core.errors import UserError
from core.gradcam import Heatmaps, overlay
from tests import helpers

SIZE = 64
BRIGHT, DARK = (slice(40, 48), slice(8, 16)), (slice(16, 24), slice(48, 56))


def built(name: str, build: str = "build"):
    architecture = ARCHITECTURES[name]
    build = getattr(architecture, build)
    model = build(SIZE, architectures.bare(architecture.Options()))
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        # Fresh weights of the answer and of norms leave whole networks symmetric.
        variable.assign(variable + 0.02 * random.standard_normal(variable.shape))
    return model


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    """The model and its heat maps, compiled once for all tests."""
    model = built(request.param)
    return model, Heatmaps(model)


def phantoms(count: int) -> np.ndarray:
    """(count, SIZE, SIZE) uint8."""
    return np.stack([cv2.resize(helpers.film(seed), (SIZE, SIZE)) for seed in range(count)])


def two_spots() -> np.ndarray:
    film = np.full((SIZE, SIZE), 128, np.uint8)
    film[BRIGHT], film[DARK] = 255, 0
    return film


def spotter(weight: float = 1.0, features: str = "features"):
    """A network to which what is brighter than grey speaks for pneumonia, and what is darker for normal."""
    import keras
    from keras import layers

    film = keras.Input((SIZE, SIZE, 1), dtype="uint8")
    x = layers.Rescaling(1 / 128, -1)(film)
    x = layers.AveragePooling2D(8)(x)
    x = layers.Conv2D(2, 1, activation="relu", name=features)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(film, layers.Dense(1, activation="sigmoid", name="pneumonia")(x))
    model.set_weights([np.array([[[[1.0, -1.0]]]]), np.zeros(2), np.array([[weight], [-weight]]), np.zeros(1)])
    return model


def hottest(heat: np.ndarray) -> tuple[int, int]:
    return np.unravel_index(heat.argmax(), heat.shape)


def within(place: tuple[int, int], spot: tuple[slice, slice]) -> bool:
    return all(side.start <= at < side.stop for at, side in zip(place, spot, strict=True))


def by_the_book(model, film: np.ndarray, toward_pneumonia: bool) -> np.ndarray:
    """Step by step, from the answer itself: behind the sigmoid the gradient is another only by a positive factor."""
    import keras
    import tensorflow as tf

    both = keras.Model(model.input, [model.get_layer("features").output, model.output])
    with tf.GradientTape() as tape:
        features, score = both(film[None, ..., None], training=False)
        answer = score if toward_pneumonia else 1 - score
    weights = tape.gradient(answer, features).numpy()[0].astype(np.float64).mean(axis=(0, 1))
    heat = np.maximum(features.numpy()[0] @ weights, 0)
    heat = cv2.resize(heat, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return heat / heat.max() if heat.max() > 0 else heat


def test_maps_are_as_large_as_the_films_and_reach_from_nothing_to_one(network):
    _, heatmaps = network
    films = phantoms(2)
    for toward in (True, False):
        heats = heatmaps.of(films, np.full(2, toward))
        assert heats.shape == films.shape
        assert heats.dtype == np.float32
        assert ((heats >= 0) & (heats <= 1)).all()
        for heat in heats:
            assert heat.max() in (0, 1)


@pytest.mark.parametrize("toward", [True, False])
def test_maps_are_those_that_a_tape_gives_step_by_step(network, toward):
    model, heatmaps = network
    film = phantoms(1)[0]
    heat = heatmaps.of(film[None], np.array([toward]))[0]
    np.testing.assert_allclose(heat, by_the_book(model, film, toward), atol=1e-3)


def test_what_spoke_for_pneumonia_is_not_what_spoke_for_normal(network):
    _, heatmaps = network
    film = phantoms(1)
    pneumonia, normal = heatmaps.of(np.concatenate([film, film]), np.array([True, False]))
    assert max(pneumonia.max(), normal.max()) == 1
    assert np.abs(pneumonia - normal).max() > 0.5


def test_many_films_get_the_maps_that_each_would_get_alone(network):
    _, heatmaps = network
    films = phantoms(gradcam.BATCH + 3)
    toward = np.arange(len(films)) % 3 > 0
    together = heatmaps.of(films, toward)
    alone = np.concatenate([heatmaps.of(films[[row]], toward[[row]]) for row in range(len(films))])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_heat_peaks_at_the_spot_that_spoke_for_the_answer_asked_about():
    films = np.stack([two_spots(), two_spots()])
    pneumonia, normal = Heatmaps(spotter()).of(films, np.array([True, False]))
    assert within(hottest(pneumonia), BRIGHT)
    assert within(hottest(normal), DARK)
    assert pneumonia[DARK].max() == 0
    assert normal[BRIGHT].max() == 0


def test_a_saturated_answer_still_has_a_map():
    model, film = spotter(weight=1e5), two_spots()
    film[DARK] = 128
    assert model(film[None, ..., None]).numpy().item() == 1.0
    assert by_the_book(model, film, True).max() == 0
    assert within(hottest(Heatmaps(model).of(film[None], np.array([True]))[0]), BRIGHT)


def test_a_frozen_network_still_has_a_map():
    model = spotter()
    model.trainable = False
    assert within(hottest(Heatmaps(model).of(two_spots()[None], np.array([True]))[0]), BRIGHT)


def test_where_nothing_spoke_for_the_answer_there_is_no_heat():
    film = two_spots()
    film[DARK] = 128
    grey = np.full((SIZE, SIZE), 128, np.uint8)
    heats = Heatmaps(spotter()).of(np.stack([film, grey, grey]), np.array([False, False, True]))
    np.testing.assert_array_equal(heats, 0)


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_a_network_that_broke_down_has_no_heat_instead_of_nan(weight):
    films = np.stack([two_spots(), two_spots()])
    np.testing.assert_array_equal(Heatmaps(spotter(weight)).of(films, np.array([True, False])), 0)


def test_no_films_have_no_maps():
    films = np.zeros((0, SIZE, SIZE), np.uint8)
    assert Heatmaps(spotter()).of(films, np.zeros(0, bool)).shape == (0, SIZE, SIZE)


def test_the_form_that_trains_has_the_same_maps_in_spite_of_its_fused_norms():
    trains = built("residual", "build_for_training")
    stored = built("residual")
    stored.set_weights(trains.get_weights())
    films, toward = phantoms(2), np.array([True, False])
    np.testing.assert_allclose(Heatmaps(trains).of(films, toward), Heatmaps(stored).of(films, toward), atol=1e-3)


def test_a_network_that_was_stored_has_the_same_maps_and_can_be_asked_twice(tmp_path):
    import keras

    model, films, toward = built("simple_cnn"), phantoms(2), np.array([True, False])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    before = Heatmaps(model).of(films, toward)
    for _ in range(2):
        np.testing.assert_allclose(Heatmaps(loaded).of(films, toward), before, atol=1e-5)


def test_threads_may_share_it():
    heatmaps, films = Heatmaps(built("simple_cnn")), phantoms(8)
    toward = np.ones(1, bool)
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(lambda film: heatmaps.of(film[None], toward)[0], films))
    np.testing.assert_allclose(shared, heatmaps.of(films, np.ones(8, bool)), atol=1e-4)


def test_a_network_without_features_is_refused_with_the_next_step():
    with pytest.raises(UserError, match="no layer named 'features'") as refused:
        Heatmaps(spotter(features="convolution"))
    assert "'features'" in refused.value.fix


def test_the_overlay_leaves_the_film_untouched_where_there_is_no_heat():
    film, heat = phantoms(1)[0], np.zeros((SIZE, SIZE), np.float32)
    heat[BRIGHT] = 1
    picture = overlay(film, heat, 1.0)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
    cold = heat == 0
    np.testing.assert_array_equal(picture[cold], np.repeat(film[..., None], 3, axis=2)[cold])
    # The hottest colour is pale yellow: much red and green, less blue.
    red, green, blue = picture[44, 12].astype(int)
    assert min(red, green) > 200 > blue


def test_the_overlay_shows_as_much_of_the_film_as_its_opacity_leaves():
    film, heat = np.full((SIZE, SIZE), 100, np.uint8), np.ones((SIZE, SIZE), np.float32)
    none, half, full = (overlay(film, heat, opacity).astype(float) for opacity in (0.0, 0.5, 1.0))
    assert (none == 100).all()
    np.testing.assert_allclose(half, (100 + full) / 2, atol=0.5)
