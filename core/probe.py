"""How fast this machine trains: measured once in a process of its own, so that pages can say how long a run takes."""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from core import machine, optimizers, precision
from core.architectures import cost, simple_cnn
from core.data.batches import without_autotune
from core.data.prepare import Progress
from core.settings import TrainSettings

WARM_UP, STEPS = 2, 7


def probe(progress: Progress = lambda done, total: None) -> dict[str, float]:
    """GFLOP/s of a training step of the default network, by precision; kept for this machine.

    progress: called with steps done and steps in all.
    """
    speeds = {}
    for number, name in enumerate(precision.POLICIES):
        speeds[name] = _speed(name, lambda done, before=number: progress(before * _ALL + done, 2 * _ALL))
    precision.speedup()
    machine.remember({"speed": speeds})
    return speeds


_ALL = WARM_UP + STEPS


class _Clock(keras.callbacks.Callback):
    """When each step ended."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell
        self.ends: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())
        self.tell(batch + 1)


def _speed(name: str, tell) -> float:
    settings, options = TrainSettings(), simple_cnn.Options()
    size, batch = settings.image_size, settings.batch_size
    model = precision.built(lambda: simple_cnn.build_for_training(size, options), name)
    model.compile(optimizer=optimizers.make(settings, _ALL), loss="binary_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    films = random.integers(0, 256, (batch, size, size, 1), np.uint8)
    batches = tf.data.Dataset.from_tensors((films, np.arange(batch)[:, None] % 2)).repeat(_ALL)
    clock = _Clock(tell)
    model.fit(without_autotune(batches), verbose=0, shuffle=False, callbacks=[clock])
    step = float(np.median(np.diff(clock.ends[WARM_UP - 1 :])))
    return cost.training_mflop(simple_cnn.layers(size, options)) * batch / step / 1000
