"""The hypernetwork for dials that simpler shapes cannot follow: a small perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from archdial.errors import UsageError
from archdial.hypernet.base import START, Hypernetwork
from archdial.space import Space


class MLP(Hypernetwork):
    """f → hidden layers → m·k logits, a HyperNetwork (Ha et al. 2016) of dense layers with SiLU between."""

    kind: ClassVar[str] = "mlp"

    def __init__(self, space: Space, features: int, hidden: Sequence[int] = (64, 64)) -> None:
        """Build dense layers of the sizes `hidden` and a last one to m·k.

        Raises:
            UsageError: no hidden layer, or a size below one.
        """
        super().__init__(space, features)
        self.hidden = tuple(hidden) if isinstance(hidden, Sequence) else ()
        if not self.hidden or not all(isinstance(size, int) and size > 0 for size in self.hidden):
            raise UsageError(f"hidden sizes {hidden!r}: expected a list of positive numbers, as [64, 64]")
        choices, options = space.shape
        # SiLU and not ReLU: with few features ReLU units die, and logits should not kink along the dial.
        layers = [layer for a, b in pairwise((features, *self.hidden)) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*layers, _small(nn.Linear(self.hidden[-1], choices * options)))

    def settings(self) -> dict[str, object]:
        """Return the hidden sizes."""
        return {"hidden": list(self.hidden)}

    def level(self) -> Tensor:
        """Return the last layer's bias, as (m, k)."""
        bias: Tensor = self.layers[-1].get_parameter("bias")
        return bias.view(self.space.shape)

    def raw(self, features: Tensor) -> Tensor:
        """Return the perceptron's output as (n, m, k)."""
        logits: Tensor = self.layers(features)
        return logits.reshape(-1, *self.space.shape)


def _small(layer: nn.Linear) -> nn.Linear:
    """Return `layer` with weights so small that options start near-uniform, yet pass gradients."""
    nn.init.normal_(layer.weight, std=START)
    nn.init.zeros_(layer.bias)
    return layer
