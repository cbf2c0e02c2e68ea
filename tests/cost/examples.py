"""Random spaces and tables, and a network small enough to count by hand."""

import itertools
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Choice, Space

RUNTIME = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
KINDS = ("conv", "pool", "skip")


def entry(options: tuple[str, ...], cost: float) -> CostEntry:
    return CostEntry(options, cost, 0.1, int(cost * 8), int(cost * 16), int(cost * 24), int(cost * 32), int(cost * 40))


def architectures(space: Space) -> list[Architecture]:
    ranges = (range(len(choice.options)) for choice in space.choices)
    return [Architecture(options) for options in itertools.product(*ranges)]


def exact(table: CostTable, space: Space, architecture: Architecture, column: str = "latency_ms") -> float:
    taken = space.describe(architecture)
    total = 0.0
    for term in table.terms:
        selected = tuple(taken[name] for name in term.choices)
        total += sum(getattr(entry, column) for entry in term.entries if selects(entry, selected))
    return total


def selects(entry: CostEntry, taken: tuple[str, ...]) -> bool:
    return all(option in asked.split("|") for option, asked in zip(taken, entry.options, strict=True))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    kinds = st.sampled_from(KINDS)
    return Space(
        tuple(
            Choice(f"c{n}", tuple(f"o{i}" for i in range(size)), tuple(draw(kinds) for _ in range(size)))
            for n, size in enumerate(sizes)
        )
    )


@st.composite
def terms(draw: st.DrawFn, space: Space, names: tuple[str, ...]) -> CostTerm:
    options = [space.choices[space.index(name)].options for name in names]
    combinations = list(itertools.product(*options))
    if len(names) > 1:
        combinations = [combination for combination in combinations if draw(st.booleans())]
        # Now and then any of several options of the last choice will do.
        combinations = [(*c[:-1], draw(st.sampled_from([c[-1], "|".join(options[-1])]))) for c in combinations]
        combinations = list(dict.fromkeys(combinations))
    costs = st.integers(0, 80).map(lambda eighths: eighths / 8)
    return CostTerm(names, tuple(entry(combination, draw(costs)) for combination in combinations))


@st.composite
def tables(draw: st.DrawFn, most: int = 2) -> tuple[Space, CostTable]:
    """A space, and a table of it with terms over no, one and up to `most` choices."""
    space = draw(spaces())
    names = [choice.name for choice in space.choices]
    found = [draw(terms(space, ())), *(draw(terms(space, (name,))) for name in names)]
    if most > 1:
        joint = st.lists(st.sampled_from(names), min_size=2, max_size=most, unique=True)
        found += [draw(terms(space, tuple(draw(joint)))) for _ in range(draw(st.integers(0, 3)))]
    return space, CostTable(space.fingerprint, RUNTIME, tuple(found))


class Toy(Supernet):
    """Stem, then two choices of convolution, pooling or nothing, then a head; the gate does nothing."""

    def __init__(self) -> None:
        super().__init__()
        options, kinds = ("conv", "pool", "none"), ("conv", "pool", "none")
        gate = Choice("gate", ("on", "off"), ("on", "off"))
        self.space = Space((Choice("a", options, kinds), Choice("b", options, kinds), gate))
        self.stem, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.Flatten()
        self.convs = nn.ModuleList(nn.Conv2d(2, 2, 3, padding=1, bias=False) for _ in range(2))
        self.pool = nn.AvgPool2d(3, 1, 1)

    @property
    def example(self) -> Tensor:
        return torch.zeros(1, 1, 4, 4)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        features = self.stem(inputs)
        for row, conv in enumerate(self.convs):
            features = weights[row, 0] * conv(features) + weights[row, 1] * self.pool(features)
        result: Tensor = self.head(features)
        return result

    def build(self, architecture: Architecture) -> nn.Module:
        layers: list[nn.Module] = [self.stem]
        for row, conv in enumerate(self.convs):
            layers += [[conv, self.pool, nn.Identity()][architecture.options[row]]]
        return nn.Sequential(*layers, self.head)

    def terms(self) -> list[TermPlan]:
        inner = (2, 4, 4)
        plans = [TermPlan((), {(): (Part("stem", self.stem, (1, 4, 4)),)})]
        for name, conv in zip("ab", self.convs, strict=True):
            ran = {("conv",): (Part("conv", conv, inner),), ("pool",): (Part("pool", self.pool, inner),)}
            plans.append(TermPlan((name,), ran))
        twice = (Part("conv", self.convs[0], inner), Part("pool", self.pool, inner))
        return [*plans, TermPlan(("a", "b"), {("conv", "conv"): twice})]

    def to_json(self) -> dict[str, Any]:
        return {}


def random_weights(space: Space, *lead: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*lead, *space.shape, generator=generator, dtype=torch.float64)
    return logits.masked_fill(~space.mask, -torch.inf).softmax(-1)
