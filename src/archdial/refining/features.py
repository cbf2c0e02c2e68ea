"""What is known about an architecture before training: inherited merit, cost, and composition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archdial.families.family import Family
from archdial.space import Architecture


@dataclass(frozen=True)
class Features:
    """Features of n architectures, each group scaled so that its mean square over all of them is 1.

    Attributes:
        merit: (n,) minus the logarithm of the error with inherited weights: higher is better.
        groups: (n, d) each: by how much the predictor differs from the evaluation, the logarithm of cost, shares of the
            kinds of options, and the options themselves.
    """

    merit: Tensor
    groups: tuple[Tensor, ...]

    def at(self, rows: Sequence[int]) -> Features:
        """Return those of the architectures in these `rows`."""
        places = torch.tensor(rows, dtype=torch.int64)
        return Features(self.merit[places], tuple(group[places] for group in self.groups))


def features_of(family: Family, architectures: Sequence[Architecture]) -> Features:
    """Return what is known of `architectures`; none of it comes from training them alone."""
    measured, predicted = inherited_logs(family, architectures)
    weights = family.space.one_hots(architectures).double()
    cost = family.costs[family.column](weights).double().clamp_min(1e-12).log()
    shares = torch.einsum("nmk,qmk->nq", weights, family.space.membership.double())
    groups = ((measured - predicted)[:, None], cost[:, None], shares, weights.flatten(1))
    return Features(-measured, tuple(map(_scaled, groups)))


def inherited_logs(family: Family, architectures: Sequence[Architecture]) -> tuple[Tensor, Tensor]:
    """Return logarithms (n,) of inherited errors, as evaluated and as predicted; where not evaluated, as predicted."""
    known = {item.architecture: item.error for item in family.archive}
    with torch.no_grad():
        predicted = family.predictor.each(family.space.one_hots(architectures)).mean(0)
    errors = torch.tensor([known.get(architecture, 0.0) for architecture in architectures])
    seen = torch.tensor([architecture in known for architecture in architectures])
    measured = torch.where(seen, family.predictor.logs(errors), predicted)
    return measured.double(), predicted.double()


def _scaled(group: Tensor) -> Tensor:
    """Return `group` (n, d) about its mean, over its root mean square length; what never differs is 0."""
    centred = group - group.mean(0)
    length = centred.square().sum(1).mean().sqrt()
    return centred / length if length > 1e-9 else torch.zeros_like(centred)
