"""What a network costs, known before anything is built."""

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """A layer as the Train page lists it.

    shape: of its output for one film. mflop: millions of floating-point operations that one film costs
    on its way through, a multiplication and an addition counting as two.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    mflop: float

    @property
    def values(self) -> int:
        """Numbers that the layer puts out for one film."""
        return math.prod(self.shape)


def training_mflop(layers: Sequence[LayerCost]) -> float:
    """Millions of operations to train on one film.

    Each layer with weights is passed three times: forwards, for the gradient of its weights and for the
    gradient of its input, which the first of them does not need.
    """
    weighted = [layer for layer in layers if layer.parameters]
    return sum(3 * layer.mflop for layer in weighted) - (weighted[0].mflop if weighted else 0)
