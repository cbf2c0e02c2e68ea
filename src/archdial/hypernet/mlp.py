"""The hypernetwork for dials that simpler shapes cannot follow: a small perceptron."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from archdial.common.limits import Size
from archdial.common.validation import conforming
from archdial.hypernet.hypernetwork import START, Hypernetwork, check_numbers
from archdial.space import Space

Hidden = Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)]
"""Sizes of hidden layers, as [64, 64]."""


class MLP(Hypernetwork):
    """f → hidden layers → m·k logits, a HyperNetwork (Ha et al. 2016) of dense layers with SiLU between."""

    kind: ClassVar[str] = "mlp"

    def __init__(self, space: Space, features: int, hidden: Hidden = (64, 64)) -> None:
        """Build dense layers of the sizes `hidden` and a last one to m·k.

        Raises:
            UsageError: no hidden layer, or a size below one.
        """
        super().__init__(space, features)
        self.hidden: tuple[int, ...] = conforming(Hidden, hidden, "hidden")
        choices, options = space.shape
        check_numbers(sum(a * b for a, b in pairwise((features, *self.hidden, choices * options))), f"hidden {hidden}")
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
