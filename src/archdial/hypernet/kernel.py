"""The hypernetwork of KOT-DARTS: logits at pivots anywhere in feature space, mixed by distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from archdial.common.errors import UsageError, short
from archdial.common.limits import Rate, Seed, Size
from archdial.common.validation import conforming
from archdial.hypernet.hypernetwork import Hypernetwork, check_numbers
from archdial.space import Space

Pivots = int | Sequence[Sequence[float]] | Tensor


class Kernel(Hypernetwork):
    """α(z) = Σ_p s_p(z) a_p with shares s = softmax_p(−‖z − z_p‖² / width²), as KOT-DARTS states it.

    The published code leaves the minus sign out, which lets far pivots win.
    """

    kind: ClassVar[str] = "kernel"
    pivots: Tensor

    def __init__(
        self, space: Space, features: int, pivots: Pivots = 10, width: float | None = None, seed: int = 0
    ) -> None:
        """Hold pivots (p, f) as a buffer and logits (p, m, k).

        Args:
            space: the space whose logits are wanted.
            features: f, the number of features.
            pivots: the pivots (p, f), or how many to spread over the unit cube. A spread leaves the
                simplex, so a simplex dial does better to give its own.
            width: how far a pivot reaches; without it, the mean distance from a pivot to its nearest other.
            seed: of the spread.

        Raises:
            UsageError: the pivots are no finite (p, f) tensor with p ≥ 1, or the width is not positive.
        """
        super().__init__(space, features)
        placed = spread(pivots, features, seed) if isinstance(pivots, int) else _given(pivots, features)
        check_numbers(len(placed) * math.prod(space.shape), f"{len(placed)} pivots")
        self.width = _spacing(placed) if width is None else float(conforming(Rate, width, "width"))
        if not 0.0 < self.width < float("inf"):
            raise UsageError(
                f"kernel width {self.width}: expected a positive number; omitting it requires distinct pivots"
            )
        self.register_buffer("pivots", placed)
        self.logits = self.start(len(placed))

    def settings(self) -> dict[str, object]:
        """Return pivots and width, from which the hypernetwork is made again without a seed."""
        return {"pivots": self.pivots.tolist(), "width": self.width}

    def shares(self, features: Tensor) -> Tensor:
        """Return each pivot's share (n, p) at `features` (n, f): the nearest's is largest, rows sum to 1."""
        squared = (features[:, None] - self.pivots).square().sum(-1)
        return torch.softmax(-squared / self.width**2, dim=-1)

    def level(self) -> Tensor:
        """Return the logits of all pivots: shares sum to 1."""
        return self.logits

    def raw(self, features: Tensor) -> Tensor:
        """Return the mixed logits, (n, m, k)."""
        return torch.einsum("np,pmk->nmk", self.shares(features), self.logits)


def spread(count: int, features: int, seed: int) -> Tensor:
    """Return `count` points (count, features) that fill the unit cube evenly, the same for the same seed.

    Raises:
        UsageError: `count` is below one.
    """
    conforming(Size, count, "pivots")
    conforming(Seed, seed, "seed")
    engine: Any = SobolEngine
    points: Tensor = engine(features, scramble=True, seed=seed).draw(count)
    return points.to(torch.get_default_dtype())


def _given(pivots: Sequence[Sequence[float]] | Tensor, features: int) -> Tensor:
    # A copy, so that the caller's tensor and the buffer do not change each other.
    try:
        placed = torch.as_tensor(pivots).detach().to(torch.get_default_dtype(), copy=True)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise UsageError(
            f"pivots {short(pivots)}: expected their number, or a list of rows of {features} numbers"
        ) from None
    if placed.ndim != 2 or not len(placed) or placed.shape[1] != features or not placed.isfinite().all():
        raise UsageError(
            f"pivots of shape {tuple(placed.shape)}: expected finite values of shape (p, {features}) with p ≥ 1"
        )
    return placed


def _spacing(pivots: Tensor) -> float:
    if len(pivots) == 1:
        # A lone pivot has share 1 everywhere, whatever its width.
        return 1.0
    distances = torch.cdist(pivots, pivots)
    return float(distances.fill_diagonal_(torch.inf).amin(-1).mean())
