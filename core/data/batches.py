"""Batches for a network, straight from the memory map."""

import numpy as np
import tensorflow as tf

from core.data.prepare import Prepared


class Shuffle:
    """The order of the training films in an epoch: fixed by the seed and the epoch alone.

    Set `epoch` before each epoch; a resumed run then sees the films as it would have anyway.
    """

    def __init__(self, films: np.ndarray, seed: int):
        self.films = films
        self.seed = seed
        self.epoch = 0

    def order(self) -> np.ndarray:
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.films)


def train_batches(prepared: Prepared, shuffle: Shuffle, batch_size: int) -> tf.data.Dataset:
    """(films, labels) batches in the shuffle's order, anew for every epoch.

    Films (batch, size, size, 1) uint8, labels (batch, 1) float32.
    """
    return _batches(prepared, shuffle.order, len(shuffle.films), batch_size)


def eval_batches(prepared: Prepared, films: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """(films, labels) batches in the order of `films`, indices into the prepared set."""
    return _batches(prepared, lambda: films, len(films), batch_size)


def _batches(prepared: Prepared, order, count: int, batch_size: int) -> tf.data.Dataset:
    size = prepared.spec.size
    labels = prepared.labels.astype(np.float32)

    def batches():
        films = order()
        for begin in range(0, len(films), batch_size):
            chosen = films[begin : begin + batch_size]
            yield prepared.films[chosen][..., None], labels[chosen][:, None]

    dataset = tf.data.Dataset.from_generator(
        batches,
        output_signature=(
            tf.TensorSpec((None, size, size, 1), tf.uint8),
            tf.TensorSpec((None, 1), tf.float32),
        ),
    )
    steps = -(-count // batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
    options = tf.data.Options()
    # Autotune stalls the end of every epoch (measured: up to twice the epoch's time).
    options.autotune.enabled = False
    return dataset.with_options(options)
