"""Which numbers to calculate with: float32, or bfloat16 where this processor is faster for it."""

import time
from collections.abc import Callable

import keras
import tensorflow as tf

from core import architectures, machine
from core.settings import TrainSettings

ROUNDS = 5
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def choose(settings: TrainSettings) -> str:
    """ "float32" or "bfloat16": as the settings say, or as measured on this machine, once."""
    if settings.precision != "auto":
        return settings.precision
    if architectures.in_float32(settings):
        return "float32"
    return "bfloat16" if speedup() >= machine.WORTHWHILE_SPEEDUP else "float32"


def speedup() -> float:
    """How many times as fast this processor is with bfloat16; measured in a fraction of a second and kept."""
    where = f"{machine.processor()}, TensorFlow {tf.__version__}"
    known = machine.measured().get("precision")
    if not isinstance(known, dict) or known.get("for") != where or not isinstance(known.get("bfloat16_speedup"), float):
        known = {"bfloat16_speedup": _measure(), "for": where}
        machine.remember({"precision": known})
    return known["bfloat16_speedup"]


def _measure() -> float:
    """The operations that most of a step goes into: a convolution, its filters' gradient, a matrix product."""
    seconds = {}
    works = {dtype: _work(dtype) for dtype in (tf.float32, tf.bfloat16)}
    for dtype, work in works.items():
        work()
        seconds[dtype] = []
    # Turn and turn about: what else the machine does then slows both.
    for _ in range(ROUNDS):
        for dtype, work in works.items():
            begin = time.perf_counter()
            work()
            seconds[dtype].append(time.perf_counter() - begin)
    return min(seconds[tf.float32]) / min(seconds[tf.bfloat16])


def _work(dtype: tf.DType) -> Callable[[], None]:
    films = tf.cast(tf.random.stateless_uniform((8, 74, 74, 32), (0, 0)), dtype)
    filters = tf.cast(tf.random.stateless_uniform((2, 2, 32, 64), (0, 1)), dtype)
    gradient = tf.cast(tf.random.stateless_uniform((8, 73, 73, 64), (0, 2)), dtype)
    matrix = tf.cast(tf.random.stateless_uniform((768, 768), (0, 3)), dtype)

    def work() -> None:
        tf.nn.conv2d(films, filters, 1, "VALID")
        tf.raw_ops.Conv2DBackpropFilter(
            input=films, filter_sizes=[2, 2, 32, 64], out_backprop=gradient, strides=[1, 1, 1, 1], padding="VALID"
        )
        tf.linalg.matmul(matrix, matrix).numpy()

    return work


def built(build: Callable[[], keras.Model], precision: str) -> keras.Model:
    """The network with its layers at that precision; weights are float32 in either case."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)
