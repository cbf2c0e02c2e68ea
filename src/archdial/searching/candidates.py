"""Promising architectures: what the hypernetwork considers likely, and neighbours of the front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from archdial.common.metrics import pareto_front
from archdial.cost.pricing.expected import Cost, ExpectedCost
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork
from archdial.searching.evaluation import Evaluated, Judged
from archdial.space import Architecture, Space

J = TypeVar("J", bound=Judged)


def at_positions(space: Space, hypernet: Hypernetwork, dial: Dial, positions: Tensor) -> list[Architecture]:
    """Return the most likely architecture at each of positions (n, d)."""
    with torch.no_grad():
        logits = hypernet(dial.encode(positions))
    return [space.argmax(row) for row in logits]


def likely(
    space: Space, hypernet: Hypernetwork, dial: Dial, positions: Tensor, each: int, generator: torch.Generator
) -> list[Architecture]:
    """Return `each` architectures drawn from the hypernetwork's probabilities at each of positions (n, d)."""
    with torch.no_grad():
        probabilities = torch.softmax(hypernet(dial.encode(positions)), -1).flatten(0, 1)
    drawn = torch.multinomial(probabilities, each, replacement=True, generator=generator)
    paths = drawn.reshape(len(positions), space.shape[0], each).permute(0, 2, 1).flatten(0, 1)
    return [Architecture(tuple(path)) for path in paths.tolist()]


def mutated(
    space: Space, parents: Sequence[Architecture], count: int, generator: torch.Generator
) -> list[Architecture]:
    """Return `count` architectures, each a parent with one to three choices redrawn."""
    result = []
    for number in range(count):
        options = list(parents[number % len(parents)].options)
        changes = int(torch.randint(1, 4, (), generator=generator))
        for row in torch.randperm(len(options), generator=generator)[:changes].tolist():
            options[row] = int(torch.randint(len(space.choices[row].options), (), generator=generator))
        result.append(Architecture(tuple(options)))
    return result


def one_apart(space: Space, architecture: Architecture) -> list[Architecture]:
    """Return all that differ from `architecture` in one choice."""
    options = architecture.options
    return [
        Architecture((*options[:row], option, *options[row + 1 :]))
        for row, choice in enumerate(space.choices)
        for option in range(len(choice.options))
        if option != options[row]
    ]


def front(evaluated: Sequence[J], cost: ExpectedCost) -> list[J]:
    """Return those of `evaluated` that no other beats in both score and cost, cheapest first."""
    costs = [cost.of(item.architecture) for item in evaluated]
    return [evaluated[index] for index in pareto_front(costs, [item.merit for item in evaluated])]


def fronts(evaluated: Sequence[Evaluated], cost: Cost) -> list[Evaluated]:
    """Return the front by each device's cost, one after the other, each architecture once."""
    every = (item for own in cost.each for item in front(evaluated, own))
    return list({item.architecture: item for item in every}.values())


def unseen(architectures: Iterable[Architecture], seen: Iterable[Architecture]) -> list[Architecture]:
    """Return the distinct ones of `architectures` that are not in `seen`, in their order."""
    known = set(seen)
    return [item for item in dict.fromkeys(architectures) if item not in known]
