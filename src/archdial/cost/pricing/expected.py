"""The expected cost of option weights, which on one-hot weights is the exact cost of an architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.cost.pricing.extremes import Ends
from archdial.cost.pricing.places import Places, extended
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import COLUMNS, CostTerm, check_column
from archdial.space import Architecture, Space


class Cost(ABC):
    """What a search asks of the costs of one space, be they of one piece of hardware or of several."""

    @property
    @abstractmethod
    def each(self) -> tuple[ExpectedCost, ...]:
        """The cost on each device."""

    @property
    @abstractmethod
    def ratio(self) -> Tensor:
        """The most expensive architecture's cost over the cheapest one's: () on one device, else (devices,)."""

    @abstractmethod
    def extremes(self) -> tuple[Architecture, ...]:
        """Return the cheapest and the most expensive architecture, of each device."""

    @abstractmethod
    def fraction(self, weights: Tensor) -> Tensor:
        """Return (cost - lowest) / (highest - lowest) of `weights` (…, m, k): (…) on one device, else (…, devices)."""


class ExpectedCost(Ends, nn.Module, Cost):
    """The cost of a space as a function of its weights, linear in the weights of each choice.

    Each entry of a term counts with the product of the weights of its options: the contraction of the term's
    array with its choices' weights. Worked out in float64, returned in the type of the weights.

    Attributes:
        space: the space of the weights.
        column: what is counted, one of COLUMNS; latencies in ms for one batch of the table's batch size.
    """

    constant: Tensor
    single: Tensor
    membership: Tensor
    sets: Tensor

    def __init__(self, space: Space, table: CostTable, column: str = "latency_ms") -> None:
        """Take `column` of `table`.

        Raises:
            UsageError: the column is unknown, or the table is not one of `space`.
        """
        super().__init__()
        check_column(column)
        table.check(space)
        if not table.has(column):
            raise UsageError(f"the cost table has no {column}, because it was made by an older archdial: profile again")
        self.space, self.column = space, column
        places = self._places = Places(space)
        terms = table.priced() if column == "latency_ms" else table.taken()
        constant, single, joint = _split(space, places, terms, column)
        self.register_buffer("constant", constant, persistent=False)
        self.register_buffer("single", single, persistent=False)
        self.register_buffer("membership", space.membership.double(), persistent=False)
        self.register_buffer("sets", places.membership(), persistent=False)
        self.joint = nn.ModuleList(joint)

    @property
    def each(self) -> tuple[ExpectedCost, ...]:
        """Itself, the cost on the one device."""
        return (self,)

    @property
    def ratio(self) -> Tensor:
        """The highest cost over the lowest, (), at least 1; what costs nothing at all counts as a thousandth."""
        least = max(self.lowest, self.highest / 1000)
        return torch.tensor(self.highest / least if least > 0 else 1.0)

    def forward(self, weights: Tensor) -> Tensor:
        """Return the expected cost (…) of `weights` (…, m, k)."""
        return self._descended(weights).to(weights.dtype)

    def by_kind(self, weights: Tensor) -> Tensor:
        """Return the cost (…, kinds) that the options of each kind cause under `weights` (…, m, k).

        Kinds are in the order of `space.kinds`. A term over several choices goes to the kind of the option of
        its first choice, constants to none.
        """
        exact = self._checked(weights)
        total = torch.einsum("...mk,qmk->...q", exact * self.single, self.membership)
        flat = extended(exact, self.sets)
        for term in self.joint:
            total = total + term(flat) @ term.kinds
        return total.to(weights.dtype)

    def of(self, architecture: Architecture) -> float:
        """Return the exact cost of `architecture`."""
        return float(self._descended(self.space.one_hot(architecture).to(self.single)))

    def fraction(self, weights: Tensor) -> Tensor:
        """Return (cost - lowest) / (highest - lowest), shape (…), of `weights` (…, m, k).

        Where all architectures cost the same it is zero.
        """
        span = self.highest - self.lowest
        excess = self._descended(weights) - self.lowest
        return (excess / span if span > 0 else 0.0 * excess).to(weights.dtype)

    def products(self) -> list[tuple[list[tuple[int, ...]], float]]:
        """Return the entries over several choices: the flat places of each, any of which will do, and the cost."""
        found = []
        for term in self.joint:
            index, cost = cast(_Joint, term).index, cast(_Joint, term).cost
            factors = ([self._places.positions(number) for number in column] for column in index.T.tolist())
            found += list(zip(factors, cost.tolist(), strict=True))
        return found

    def _descended(self, weights: Tensor) -> Tensor:
        exact = self._checked(weights)
        total = self.constant + (exact * self.single).sum((-2, -1))
        flat = extended(exact, self.sets)
        for term in self.joint:
            total = total + term(flat).sum(-1)
        return total

    def _checked(self, weights: Tensor) -> Tensor:
        if tuple(weights.shape[-2:]) != self.space.shape:
            raise UsageError(
                f"weights of shape {tuple(weights.shape)}: expected (…, m, k) with m, k = {self.space.shape}"
            )
        return weights.to(self.single.dtype)


def by_column(space: Space, table: CostTable) -> dict[str, ExpectedCost]:
    """Return the cost of each column that `table` has."""
    return {column: ExpectedCost(space, table, column) for column in COLUMNS if table.has(column)}


def ranges(costs: Mapping[str, ExpectedCost]) -> dict[str, list[float]]:
    """Return the least and the largest cost by column, as results have them."""
    return {column: [cost.lowest, cost.highest] for column, cost in costs.items()}


class _Joint(nn.Module):
    """Entries over the same number of choices: extended weights → cost of each of n entries (…, n)."""

    index: Tensor
    cost: Tensor
    kinds: Tensor

    def __init__(self, index: Tensor, cost: Tensor, kinds: Tensor) -> None:
        """Take indices of `Places` (choices, n), costs (n,) and the one-hot kind (n, kinds) of each entry."""
        super().__init__()
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("cost", cost, persistent=False)
        self.register_buffer("kinds", kinds, persistent=False)

    def forward(self, flat: Tensor) -> Tensor:
        result = self.cost
        for position in self.index:
            result = result * flat[..., position]
        return result


def _split(space: Space, places: Places, terms: Sequence[CostTerm], column: str) -> tuple[Tensor, Tensor, list[_Joint]]:
    """Return what always runs, the cost of each option (m, k), and the entries over several choices."""
    constant = torch.zeros((), dtype=torch.float64)
    single = torch.zeros(space.shape, dtype=torch.float64)
    joint: dict[int, list[tuple[list[tuple[int, ...]], float]]] = defaultdict(list)
    for term in terms:
        for entry in term.entries:
            cost, found = float(getattr(entry, column)), space.places(term.choices, entry.options)
            if not found:
                constant += cost
            elif len(found) == 1:
                single.view(-1)[list(found[0])] += cost
            else:
                joint[len(found)].append((found, cost))
    return constant, single, [_joint(space, places, entries) for entries in joint.values()]


def _joint(space: Space, places: Places, entries: Sequence[tuple[list[tuple[int, ...]], float]]) -> _Joint:
    index = torch.tensor([list(map(places.index, found)) for found, _ in entries]).T.contiguous()
    cost = torch.tensor([cost for _, cost in entries], dtype=torch.float64)
    # Of a set the kind of its first option.
    first = [found[0][0] for found, _ in entries]
    return _Joint(index, cost, space.membership.double().flatten(1)[:, first].T.contiguous())
