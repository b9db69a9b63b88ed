"""Players for the training benchmarks, see `benchmarks.interleaved`; each keeps one way of training ready.

`python -m benchmarks.training_players fit --settings JSON` trains a run as its worker does, an epoch a turn.
"""

import argparse
import json
import os
import time

import numpy as np

from benchmarks.interleaved import Seat, timed
from core import jobs, runs
from core.settings import TrainSettings

READY_BATCHES, WARM_UP = 8, 6
MATRIX, PRODUCTS = 2048, 12
ENDLESS = 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--films", type=int, default=0)
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    seat = Seat()
    settings = TrainSettings.from_json(chosen.settings | {"epochs": ENDLESS})
    WAYS[chosen.way](seat, settings, chosen.films)


def fit(seat: Seat, settings: TrainSettings, films: int = 0, with_callbacks: bool = True) -> None:
    """The whole of `core.training.train`: its data path, callbacks and live log."""
    from core import training

    # The seat is as polite already as a run becomes after its first batch.
    jobs.lower_priority = lambda: None
    _let_fit_take_turns(seat, with_callbacks)
    training.train(runs.create(settings))


def fit_without_callbacks(seat: Seat, settings: TrainSettings, films: int) -> None:
    """The same model and data path, but nobody looks on: no log, no checkpoint, no status."""
    fit(seat, settings, with_callbacks=False)


def _let_fit_take_turns(seat: Seat, with_callbacks: bool) -> None:
    import keras

    whole_fit = keras.Model.fit

    def fit_in_turns(model, *arguments, callbacks=(), **named):
        kept = list(callbacks) if with_callbacks else []
        return whole_fit(model, *arguments, callbacks=[*kept, _turns(seat)], **named)

    keras.Model.fit = fit_in_turns


def _turns(seat: Seat):
    """A callback that holds a fit at the start of every epoch until it is its turn; the first epoch warms up.

    Figures of an epoch, in seconds: train (up to the last batch), validation, and end (all that other callbacks do
    after it); films_per_second is that of train and end together, train_films_per_second that of train. It has nothing
    to do with single batches, so that it costs none of them.
    """
    import keras

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                seat.tell(ready=1, films=self.films)
            if epoch:
                seat.wait()
            self.began = time.perf_counter()
            self.tested = None

        def on_test_begin(self, logs=None):
            self.tested = time.perf_counter()
            # The validation counts anew.
            self.films = _films_seen(self.model)

        def on_test_end(self, logs=None):
            self.judged = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            now = time.perf_counter()
            if self.tested is None:
                self.tested, self.judged, self.films = now, now, _films_seen(self.model)
            train, end = self.tested - self.began, now - self.judged
            if epoch:
                seat.tell(
                    films_per_second=self.films / (train + end),
                    train_films_per_second=self.films / train,
                    train=train,
                    validation=self.judged - self.tested,
                    end=end,
                )

    return Turns()


def _films_seen(model) -> int:
    """Films since the epoch began, by the metric that counts them."""
    return round(float(next(metric.count for metric in model.metrics if metric.name == "loss")))


def bare(seat: Seat, settings: TrainSettings, films: int) -> None:
    """The same compiled step, called in a loop on tensors that lie ready."""
    import tensorflow as tf

    from core import precision, training

    model = training._build(settings, precision.choose(settings))
    training._compile(model, settings, settings.batches(films))
    batches = [tuple(map(tf.constant, _batch(number, settings))) for number in range(READY_BATCHES)]
    # Creates what Keras makes at the first batch: metrics' and optimiser's variables.
    model.train_on_batch(*batches[0])
    step = tf.function(lambda films, labels: model.train_step((films, labels)))
    _serve_steps(seat, lambda number: step(*batches[number % READY_BATCHES]), settings, films)


def _serve_steps(seat: Seat, step, settings: TrainSettings, films: int) -> None:
    for number in range(WARM_UP):
        step(number)
    seat.serve(lambda: timed(step, films // settings.batch_size, settings.batch_size))


def _batch(number: int, settings: TrainSettings) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    shape = (settings.batch_size, settings.image_size, settings.image_size, 1)
    return random.integers(0, 256, shape, np.uint8), random.integers(0, 2, (settings.batch_size, 1)).astype(np.float32)


def plain_keras(seat: Seat, settings: TrainSettings, films: int) -> None:
    """As most people write it: `fit` on float32 arrays, stock Adam; an epoch a turn."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    size = settings.image_size
    model = keras.Sequential([keras.Input((size, size, 1))])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 2, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(1, activation="sigmoid")):
        model.add(layer)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(0)
    x = random.random((films, size, size, 1), np.float32)
    y = random.integers(0, 2, (films, 1)).astype(np.float32)
    model.fit(x, y, batch_size=settings.batch_size, epochs=ENDLESS, verbose=0, callbacks=[_turns(seat)])


def ceiling(seat: Seat, settings: TrainSettings, films: int) -> None:
    """What the machine can do at best: products of large matrices, GFLOP a second."""
    import tensorflow as tf

    matrices = {name: tf.cast(tf.random.normal((MATRIX, MATRIX)), name) for name in ("float32", "bfloat16")}
    product = tf.function(lambda matrix: tf.linalg.matmul(matrix, matrix))

    def work() -> dict[str, float]:
        found = {}
        for name, matrix in matrices.items():
            begin = time.perf_counter()
            for _ in range(PRODUCTS):
                product(matrix)
            product(matrix).numpy()
            found[name] = (PRODUCTS + 1) * 2 * MATRIX**3 / (time.perf_counter() - begin) / 1e9
        return found

    work()
    seat.serve(work)


WAYS = {
    "fit": fit,
    "fit_without_callbacks": fit_without_callbacks,
    "bare": bare,
    "plain_keras": plain_keras,
    "ceiling": ceiling,
}

if __name__ == "__main__":
    main()
