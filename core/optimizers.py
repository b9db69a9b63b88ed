"""The optimiser of a run: the rule, its learning rate over time, and averaged weights."""

from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import ops

from core.settings import TrainSettings

# A moving average with so much memory is the mean of about the last 100 steps; in a short run of its last fifth,
# so that less than 1 % of it is the network as it was in the beginning.
AVERAGE_MOMENTUM, MEMORIES_A_RUN = 0.99, 5


class _TwoRates:
    """Gives the features another learning rate than the head; for so many first steps none."""

    features: frozenset[str] = frozenset()
    share = 1.0
    head_steps = 0

    def set_rates(self, features: Iterable[keras.Variable], share: float, head_steps: int) -> None:
        """features: the variables that move at `share` of the rate, once `head_steps` steps are done."""
        self.features = frozenset(self._var_key(variable) for variable in features)
        self.share, self.head_steps = share, head_steps

    def update_step(self, gradient, variable, learning_rate):
        if self._var_key(variable) in self.features:
            awake = ops.cast(self.iterations >= self.head_steps, "float32")
            learning_rate = ops.cast(learning_rate, "float32") * (self.share * awake)
        super().update_step(gradient, variable, learning_rate)


class _Fused:
    """Adam's update as one kernel instead of a dozen operations (Kingma and Ba 2015); equal but for rounding."""

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=ops.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=ops.cast(gradient, "float32"),
        )


def _handle(variable: "keras.Variable | tf.Variable") -> tf.Tensor:
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


class FusedAdam(_TwoRates, _Fused, keras.optimizers.Adam):
    """keras.optimizers.Adam with the fused update."""


class FusedAdamW(_TwoRates, _Fused, keras.optimizers.AdamW):
    """keras.optimizers.AdamW with the fused update."""


class RMSprop(_TwoRates, keras.optimizers.RMSprop):
    """keras.optimizers.RMSprop with a rate of their own for the features."""


class SGD(_TwoRates, keras.optimizers.SGD):
    """keras.optimizers.SGD with a rate of their own for the features."""


OPTIMIZERS = {"adam": FusedAdam, "adamw": FusedAdamW, "rmsprop": RMSprop, "sgd": SGD}


@keras.saving.register_keras_serializable("pneumoscope")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Climbs from zero to the learning rate over `steps` steps and stays there."""

    def __init__(self, learning_rate: float, steps: int):
        self.learning_rate = learning_rate
        self.steps = steps

    def __call__(self, step):
        return self.learning_rate * ops.minimum(1.0, (ops.cast(step, "float32") + 1) / self.steps)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "steps": self.steps}


def make(settings: TrainSettings, steps_an_epoch: int) -> keras.optimizers.Optimizer:
    """The optimiser that the settings ask for; a step is a batch."""
    averaged = settings.weight_averaging != "none"
    return OPTIMIZERS[settings.optimizer](
        learning_rate=_rate(settings, steps_an_epoch),
        use_ema=averaged,
        ema_momentum=max(0.0, min(AVERAGE_MOMENTUM, 1 - MEMORIES_A_RUN / (settings.epochs * steps_an_epoch))),
    )


def _rate(settings: TrainSettings, steps_an_epoch: int) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    warm_up = settings.warmup_epochs * steps_an_epoch
    if settings.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warm_up else settings.learning_rate,
            decay_steps=max(settings.epochs * steps_an_epoch - warm_up, 1),
            warmup_target=settings.learning_rate if warm_up else None,
            warmup_steps=warm_up,
        )
    return WarmUp(settings.learning_rate, warm_up) if warm_up else settings.learning_rate
