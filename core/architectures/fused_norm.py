"""Batch normalisation in one operation, for training on a processor."""

import keras
import tensorflow as tf
from keras import ops


class FusedNorm(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization over the last axis, with the same variables and one kernel for all of it.

    Keras takes a dozen passes through the map, in float32 even where the network calculates in bfloat16
    (benchmarks/accuracy.md). Ioffe and Szegedy 2015.
    """

    def call(self, inputs, training=None, mask=None):
        learning = bool(training and self.trainable)
        normed, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.convert_to_tensor(self.gamma, "float32"),
            offset=ops.convert_to_tensor(self.beta, "float32"),
            mean=ops.convert_to_tensor([] if learning else self.moving_mean, "float32"),
            variance=ops.convert_to_tensor([] if learning else self.moving_variance, "float32"),
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            # The kernel hands out the variance of what the values were drawn from, Keras keeps that of the values.
            values = tf.cast(tf.size(inputs) / tf.size(mean), tf.float32)
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance * (1 - 1 / values))):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return normed
