"""The operation-wise dial: a vector on the simplex that weights the penalty of each kind of operation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Positive
from archdial.common.validation import check_fields
from archdial.cost.pricing.expected import Cost
from archdial.dial.dial import Dial, Tradeoff, register_dial
from archdial.dial.range import penalty_range

TOLERANCE = 1e-3

BALANCED_POWER = 2
"""A penalty linear in the share of a kind drops all of it at one point of its ray, a square little by little."""

BALANCED_STRENGTH = 6
"""κ over the range of the losses. With 1 few operations of any kind are used where its S_k is 0, so few can go."""


@register_dial
@dataclass(frozen=True)
class OperationSimplex(Dial):
    """penalty = κ · Σ_k S_k · (T_k(γ) / T̂_k)², T_k the measured time in operations of kind k, T̂_k its maximum.

    T̂_k is what T_k would be if all choices took kind k: kinds whose times differ a hundredfold then all respond to
    the dial alike, and gradually. A large S_k asks for *few* operations of kind k.

    Unbalanced, it is κ · Σ_k S_k · T_k(γ) over the range of the total, the penalty of Firsov and Bakhteev (2024) times
    the measured T; S ~ Dirichlet(1) over the kinds in both.

    Attributes:
        strength: κ; found unless given: if balanced, 6 times the range of the losses, otherwise such that the centre of
            the simplex is in the middle of the range of λ.
        kinds: the kinds of operation, taken from the space.
        balanced: divide each kind's time by its maximum.

    Raises:
        UsageError: the strength is not positive.
    """

    strength: Positive | None = None
    kinds: tuple[Name, ...] = ()
    balanced: bool = True
    kind: ClassVar[str] = "operation_simplex"

    def __post_init__(self) -> None:
        check_fields(self, "dial")

    @property
    def features(self) -> int:
        """One for each kind."""
        return len(self.kinds)

    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> OperationSimplex:
        """Return the dial over `kinds`, with κ found from `trade` unless it was given."""
        dial = replace(self, kinds=kinds)
        if trade is None or self.strength is not None:
            return dial
        if self.balanced:
            return replace(dial, strength=BALANCED_STRENGTH * max(float(trade.losses.max() - trade.losses.min()), 1e-3))
        low, high = penalty_range(trade)
        # At the centre each S_k is 1/k, so that κ = k · λ there.
        return replace(dial, strength=len(kinds) * math.sqrt(low * high))

    def opened(self) -> OperationSimplex:
        """Return the dial with κ and kinds open."""
        return OperationSimplex(balanced=self.balanced)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return S (count, kinds) ~ Dirichlet(1), by normalised exponentials."""
        draws = -torch.rand(count, len(self.kinds), generator=generator).clamp_min(1e-12).log()
        return draws / draws.sum(1, keepdim=True)

    def grid(self, count: int) -> Tensor:
        """Return the centre, 0.70 towards each corner as the paper has it, corners and faces, then a fixed sample.

        At least 1 + kinds positions; corners and the middles of the faces opposite them where `count` leaves room.
        """
        kinds = len(self.kinds)
        centre, corners = torch.full((1, kinds), 1 / kinds), torch.eye(kinds)
        others = (1 - corners) / max(kinds - 1, 1)
        towards = 0.7 * corners + 0.3 * others
        ends = torch.cat((corners, others)) if count >= 1 + 3 * kinds and kinds > 1 else corners[:0]
        fixed = torch.cat((centre, towards / towards.sum(1, keepdim=True), ends))
        rest = self.sample(max(count - len(fixed), 0), torch.Generator().manual_seed(0))
        return torch.cat((fixed, rest))

    def ray(self, kind: str, count: int) -> Tensor:
        """Return S (count, kinds) from the middle of the face opposite the corner of `kind`, to that corner.

        Raises:
            UsageError: there is no such kind.
        """
        if kind not in self.kinds:
            raise UsageError(f"no kind {kind!r} on this simplex: expected one of {', '.join(self.kinds)}")
        corner = torch.eye(len(self.kinds))[self.kinds.index(kind)]
        face = (1 - corner) / max(len(self.kinds) - 1, 1)
        steps = torch.linspace(0, 1, count).unsqueeze(1)
        return (1 - steps) * face + steps * corner

    def encode(self, positions: Tensor) -> Tensor:
        """Return S itself."""
        return positions

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return κ · Σ_k S_k (T_k / T̂_k)² (n,) if balanced, else κ · Σ_k S_k T_k."""
        (device,) = cost.each
        strength, spent = self.strength or 1.0, device.by_kind(weights)
        if not self.balanced:
            return strength * (positions * spent).sum(-1) / max(device.highest - device.lowest, 1e-12)
        every = device.by_kind(device.space.mask.to(weights))
        # A kind that never costs anything cannot be penalised by its time.
        shares = spent / torch.where(every > 0, every, torch.ones_like(every))
        return strength * (positions * shares.pow(BALANCED_POWER)).sum(-1)

    def check(self, position: Tensor) -> None:
        """Check S.

        Raises:
            UsageError: it does not have one number ≥ 0 per kind, or they do not sum to 1.
        """
        text = "[" + ", ".join(f"{x:g}" for x in position.tolist()) + "]"
        if position.numel() != len(self.kinds):
            raise UsageError(f"S = {text}: expected {len(self.kinds)} numbers, for {', '.join(self.kinds)}")
        if bool((position < 0).any()) or not bool((position.sum() - 1).abs() <= TOLERANCE):
            raise UsageError(f"S = {text} is outside the simplex: expected numbers ≥ 0 that sum to 1")

    def settings(self) -> dict[str, Any]:
        """Return strength, balance and kinds."""
        return {"strength": self.strength, "balanced": self.balanced, "kinds": list(self.kinds)}
