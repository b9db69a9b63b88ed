"""Batches for a network, straight from the prepared films."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from core.data.augment import augment, is_on
from core.data.film_file import FilmFile
from core.settings import TrainSettings


class Shuffle:
    """The order of the training films in an epoch: fixed by the seed and the epoch alone.

    Set `epoch` before each epoch; a resumed run then sees the films as it would have anyway. balanced:
    as many films of one class as of the other, the rarer one's more than once.
    """

    def __init__(self, films: np.ndarray, labels: np.ndarray, seed: int, balanced: bool = False):
        self.films = films
        self.by_class = [films[labels[films] == label] for label in (0, 1)]
        self.seed = seed
        self.balanced = balanced
        self.epoch = 0

    def order(self) -> np.ndarray:
        random = np.random.default_rng([self.seed, self.epoch])
        if not self.balanced:
            return random.permutation(self.films)
        half = len(self.films) // 2
        wanted = (len(self.films) - half, half)
        drawn = [_draw(random, films, count) for films, count in zip(self.by_class, wanted, strict=True)]
        return random.permutation(np.concatenate(drawn))


def _draw(random: np.random.Generator, films: np.ndarray, count: int) -> np.ndarray:
    """No film comes again before all others of its class came as often."""
    rounds = -(-count // len(films))
    return np.concatenate([random.permutation(films) for _ in range(rounds)])[:count]


class Source:
    """Makes batches and keeps account of it.

    labels: (n,) of 0 and 1. films: the n prepared films they belong to. subtypes: (n, k), 1 where a film is of
    a subtype, k may be 0. busy: seconds spent on making training batches so far. error: what went wrong
    while making one; tf.data would wrap it beyond recognition.
    """

    def __init__(self, labels: np.ndarray, films: FilmFile, subtypes: np.ndarray | None = None):
        self.labels = labels
        self.films = films
        none = np.empty((len(labels), 0))
        self.targets = np.column_stack([labels, none if subtypes is None else subtypes]).astype(np.float32)
        self.busy = 0.0
        self.error: Exception | None = None

    def train_batches(self, shuffle: Shuffle, settings: TrainSettings) -> tf.data.Dataset:
        """(films, targets) batches in the shuffle's order and varied as the settings say, anew for every epoch.

        Films (batch, size, size, 1) uint8, targets (batch, 1 + k) float32: the label and the k subtypes.
        """
        varied = is_on(settings)

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            begin = time.perf_counter()
            for number, chosen in enumerate(_slices(shuffle.order(), settings.batch_size)):
                films = self.films.read(chosen)
                if varied:
                    # By seed, epoch and batch: a resumed run meets the same variations.
                    random = np.random.default_rng([settings.seed, shuffle.epoch, number])
                    films = augment(films, settings, random)
                self.busy += time.perf_counter() - begin
                yield films, chosen
                begin = time.perf_counter()

        return self._dataset(batches, len(shuffle.films), settings.batch_size)

    def eval_batches(self, films: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """(films, targets) batches in the order of `films`, indices into the prepared set."""

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for chosen in _slices(films, batch_size):
                yield self.films.read(chosen), chosen

        return self._dataset(batches, len(films), batch_size)

    def _dataset(self, batches: Callable[[], Iterator], count: int, batch_size: int) -> tf.data.Dataset:
        size = self.films.size

        def shaped() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            try:
                for films, chosen in batches():
                    yield films[..., None], self.targets[chosen]
            except Exception as error:
                self.error = error
                raise

        dataset = tf.data.Dataset.from_generator(
            shaped,
            output_signature=(
                tf.TensorSpec((None, size, size, 1), tf.uint8),
                tf.TensorSpec((None, self.targets.shape[1]), tf.float32),
            ),
        )
        steps = -(-count // batch_size)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
        return without_autotune(dataset)


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Autotune stalls the end of every epoch (measured: up to twice the epoch's time)."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _slices(films: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for begin in range(0, len(films), batch_size):
        yield films[begin : begin + batch_size]
