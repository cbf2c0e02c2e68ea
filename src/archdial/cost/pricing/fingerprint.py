"""How the hypernetwork distinguishes devices: by the latencies of a few architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import torch
from pydantic import Field

from archdial.common.errors import UsageError
from archdial.common.limits import Numbers, Options
from archdial.cost.pricing.expected import ExpectedCost
from archdial.space import Architecture, Space

DRAWN = 8
"""Random architectures beside one of each option throughout."""
BEYOND = 0.5
"""How far outside the range of the devices that were searched a code may lie, as a fraction of it."""


TELLING = 0.01
"""Differences between devices, as fractions of the range, below which a reference is left out."""


@dataclass(frozen=True)
class FingerprintFile:
    """What tells hardware apart: architectures, and the least and largest fraction of cost that each has."""

    references: Annotated[tuple[Options, ...], Field(fail_fast=True)]
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class Fingerprint:
    """Where the costs of a few architectures lie in a device's range, scaled to [0, 1] over the devices searched.

    Fractions of the range and not milliseconds: a device that is twice as fast throughout wants the same family.

    Attributes:
        references: (references,) architectures.
        low: (references,) the least fraction over the devices searched.
        high: (references,) the largest.
    """

    references: tuple[Architecture, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def across(cls, space: Space, costs: Sequence[ExpectedCost]) -> Self:
        """Return the fingerprint that tells the devices of `costs` apart."""
        generator = torch.Generator().manual_seed(0)
        drawn = (space.random(generator) for _ in range(DRAWN))
        references = tuple(dict.fromkeys([*map(space.uniform, space.options), *drawn]))
        fractions = torch.stack([_fractions(references, cost) for cost in costs])
        return cls(references, tuple(fractions.amin(0).tolist()), tuple(fractions.amax(0).tolist()))

    def to_json(self) -> dict[str, Any]:
        """Return the fingerprint as a JSON value."""
        references = [list(architecture.options) for architecture in self.references]
        return {"references": references, "low": list(self.low), "high": list(self.high)}

    @classmethod
    def of_file(cls, file: FingerprintFile, space: Space) -> Self:
        """Return the fingerprint that `to_json` wrote of `space`.

        Raises:
            UsageError: a reference is none of its architectures, or has no least and largest fraction.
        """
        references = tuple(Architecture(options) for options in file.references)
        for architecture in references:
            space.check(architecture)
        if not len(references) == len(file.low) == len(file.high):
            raise UsageError("devices.fingerprint has different numbers of low, high and references: restore a copy")
        return cls(references, file.low, file.high)

    def of(self, cost: ExpectedCost) -> tuple[float, ...]:
        """Return the code (references,) of a device: 0 and 1 are the ends over the devices searched."""
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        span = high - low
        # Where all devices agree a code says nothing, and to about a hundredth they agree by measuring alone.
        code = torch.where(span > TELLING, (_fractions(self.references, cost) - low) / span.clamp_min(1e-12), 0.5)
        return tuple(code.clamp(-BEYOND, 1 + BEYOND).tolist())


def _fractions(references: Sequence[Architecture], cost: ExpectedCost) -> torch.Tensor:
    return cost.fraction(cost.space.one_hots(references))
