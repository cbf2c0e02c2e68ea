"""Uniform scaling: one architecture with fewer and fewer channels, each trained from scratch."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import nn

from archdial.comparing.baselines.baseline import Baseline, Case, School
from archdial.comparing.measured import score
from archdial.cost.making.counting import count
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.networks.example import shape_of
from archdial.networks.pretrained import whole_of
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from archdial.training.plain_network import train

SHARES = (0.25, 0.375, 0.5, 0.75, 1.0)
"""Of the channels."""


@dataclass(frozen=True)
class ScaledMember(Member):
    """An architecture of the family's space in a network of other width, trained alone.

    Attributes:
        share: of the family's channels.
        module: the trained network.
    """

    share: float = 1.0
    module: nn.Module = field(default_factory=nn.Identity, repr=False, compare=False)

    @property
    def identity(self) -> Hashable:
        """Architecture and width."""
        return self.architecture, self.share

    def build(self, *, merge: bool = True) -> nn.Module:
        """Return a copy of the trained network."""
        return copy.deepcopy(self.module)

    def timed(self) -> nn.Module:
        """Return a copy of the trained network."""
        return self.build()

    def to_json(self) -> dict[str, Any]:
        """Return the member as the JSON object of the interface, and `share_of_channels`."""
        return {**super().to_json(), "share_of_channels": self.share}


class Scaled(Baseline):
    """What people do without a search: fewer channels throughout, for each budget another network and training.

    The architecture is the best that the family knows, or the whole of a network that was trained before. The
    epochs are shared out evenly, the network of all its channels among them: all start from new weights.
    """

    name: ClassVar[str] = "scaled"
    trains: ClassVar[bool] = True

    def members(self, case: Case) -> list[Member]:
        """Train a network for each width that differs, and return them, cheapest first.

        Raises:
            ValueError: the case has no school.
        """
        if case.school is None:
            raise ValueError("the baseline 'scaled' trains networks and needs a School: pass school=School(…)")
        family = case.family
        architecture = whole_of(family.network) or max(family.archive, key=lambda item: item.merit).architecture
        networks = _networks(family.network)
        settings = case.school.settings
        school = replace(case.school, settings=replace(settings, epochs=max(1, settings.epochs // len(networks))))
        return [_trained(family, school, network, share, architecture, case.generator) for share, network in networks]


def _always(network: Supernet) -> int:
    """Return how many parameters run whatever is chosen."""
    fixed = (part for plan in network.terms() if not plan.choices for part in plan.under(()))
    return sum(p.numel() for p in {p for part in fixed for p in part.module.parameters()})


def _networks(network: Supernet) -> list[tuple[float, Supernet]]:
    """Return (share of channels, network) by size; where widths are few some shares are the same network."""
    found: dict[str, tuple[float, Supernet]] = {}
    for share in SHARES:
        scaled = network.scaled(share)
        if scaled is not None:
            found[str(scaled.to_json())] = (share, scaled)
    return list(found.values())


def _trained(
    family: Family,
    school: School,
    network: Supernet,
    share: float,
    architecture: Architecture,
    generator: torch.Generator,
) -> Member:
    seed = int(torch.randint(2**31, (), generator=generator))
    module = train(network.build(architecture), school.weights, family.task, school.settings, seed=seed, bar=school.bar)
    counts = count(module, shape_of(network.example))
    return ScaledMember(
        family=family,
        architecture=architecture,
        dial=None,
        score=score(module, school.validation, family.task, limit=school.judged),
        score_from="measured",
        # Not in the family's table: measured with all others, before anybody reads it.
        latency_ms=float("nan"),
        parameters=counts.parameters,
        cell_parameters=counts.parameters - _always(network),
        flops=counts.flops,
        weights_from="retrained",
        size_bytes=counts.size_bytes,
        peak_bytes=counts.peak_bytes,
        share=share,
        module=module,
    )
