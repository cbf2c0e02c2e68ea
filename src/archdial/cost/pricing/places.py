"""Where entries of a cost table read option weights: one option, or any of several."""

from __future__ import annotations

import torch
from torch import Tensor

from archdial.space import Space


class Places:
    """The weights of a space, flattened, with a further one for each set of options that an entry asks for.

    The further weight is the sum of its options' weights: on one-hot weights 1 where one of them is taken, and linear
    in the weights of the choice.
    """

    def __init__(self, space: Space) -> None:
        self._size = space.shape[0] * space.shape[1]
        self._sets: dict[tuple[int, ...], int] = {}

    def index(self, positions: tuple[int, ...]) -> int:
        """Return where the weight of the options at flat `positions` of one choice stands."""
        if len(positions) == 1:
            return positions[0]
        return self._size + self._sets.setdefault(positions, len(self._sets))

    def positions(self, index: int) -> tuple[int, ...]:
        """Return the flat positions of the options whose weight stands at `index`."""
        return (index,) if index < self._size else list(self._sets)[index - self._size]

    def membership(self) -> Tensor:
        """Return (m * k, sets): 1 where the option is in the set, in double precision."""
        result = torch.zeros(self._size, len(self._sets), dtype=torch.float64)
        for positions, number in self._sets.items():
            result[list(positions), number] = 1.0
        return result


def extended(weights: Tensor, membership: Tensor) -> Tensor:
    """Return `weights` (…, m, k) flattened and followed by the weight of each set, (…, m * k + sets)."""
    flat = weights.flatten(-2)
    return flat if not membership.shape[1] else torch.cat((flat, flat @ membership), -1)
