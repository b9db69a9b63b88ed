"""Time of a page of heat maps: `python -m benchmarks.gradcam`. Prints a Markdown table.

Twelve phantoms and the model that ships; the compiled call of `core.gradcam` and the same calculation by an eager tape
take turns, in rounds of changing order, in one process.
"""

import random
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from core.gradcam import Heatmaps
from tests import helpers
from tests.conftest import PROJECT

MODEL = PROJECT / "models/chest-lite0/model.keras"
FILMS, ROUNDS = 12, 15
Way = Callable[[], np.ndarray]


def eager(looking, answer, films: np.ndarray) -> np.ndarray:
    """All films toward pneumonia, as `Heatmaps.of` gives them.

    looking: the network from the film to its features and to what its last layer, answer, is given.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape:
        features, drawn_together = looking(films[..., None], training=False)
        logit = tf.matmul(drawn_together, answer.kernel) + answer.bias
    weights = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2), keepdims=True)
    heats = tf.nn.relu(tf.reduce_sum(weights * features, axis=3, keepdims=True))
    heats = tf.image.resize(heats, films.shape[1:])[..., 0].numpy()
    peaks = heats.max(axis=(1, 2), keepdims=True)
    return np.divide(heats, peaks, out=np.zeros_like(heats), where=peaks > 0)


def seconds(way: Way) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin


def main() -> None:
    import keras

    model = keras.models.load_model(MODEL, compile=False)
    size = model.input_shape[1]
    films = np.stack([cv2.resize(helpers.film(seed), (size, size)) for seed in range(FILMS)])
    toward = np.ones(FILMS, bool)
    begin = time.perf_counter()
    heatmaps = Heatmaps(model)
    made = time.perf_counter() - begin
    answer = model.layers[-1]
    looking = keras.Model(model.input, [model.get_layer("features").output, answer.input])
    ways: dict[str, Way] = {
        "compiled": lambda: heatmaps.of(films, toward),
        "eager tape": lambda: eager(looking, answer, films),
    }
    first = {name: seconds(way) for name, way in ways.items()}
    first["compiled"] += made
    np.testing.assert_allclose(ways["compiled"](), ways["eager tape"](), atol=1e-3)
    later: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name in random.sample(list(ways), len(ways)):
            later[name].append(seconds(ways[name]))
    print("| way | first call | later calls, median | fastest and slowest |")
    print("| --- | --- | --- | --- |")
    for name, taken in later.items():
        later_calls = f"{statistics.median(taken):.3f} s | {min(taken):.3f} to {max(taken):.3f} s"
        print(f"| {name} | {first[name]:.2f} s | {later_calls} |")
    ratio = statistics.median(tape / own for own, tape in zip(later["compiled"], later["eager tape"], strict=True))
    print(f"\n{FILMS} films of {size} px; the tape takes {ratio:.1f} times as long, median over {ROUNDS} rounds.")


if __name__ == "__main__":
    main()
