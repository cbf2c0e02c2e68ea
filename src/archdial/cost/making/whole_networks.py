"""Whole networks to measure: random architectures from all over a space."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

import torch
from torch import nn

from archdial.cost.table.fit import FEWEST
from archdial.cost.table.fit_to_networks import LAUNCH
from archdial.networks.supernet import Part, Supernet, part_on
from archdial.space import Architecture, Space

_MOST_BYTES = 2 * 2**30
"""Weights of all networks that are measured together, in this process and once more in that which measures."""
_TRIES = 50
_SEED = 0

LAUNCH_PART = Part(LAUNCH, nn.ReLU(), (1, 1, 1))
"""Does next to nothing: what it takes alone is what every part alone takes beside its work."""


def architectures(
    network: Supernet, count: int, seed: int, without: Collection[Architecture] = ()
) -> list[Architecture]:
    """Return `count` distinct architectures, or as many as there are or memory is for, none of them in `without`.

    Every other one is drawn uniformly, the others with a preference for some options: uniform draws alone are all
    about equally fast where there are many choices.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[Architecture, None] = {}
    most = min(count, _affordable(network), network.space.size)
    for number in range(_TRIES * most):
        if len(found) == most:
            break
        drawn = network.space.random(generator) if number % 2 else _preferring(network.space, generator)
        architecture = network.canonical(drawn)
        if architecture not in without:
            found[architecture] = None
    return list(found)


def to_fit(network: Supernet, count: int) -> list[Architecture]:
    """Return `count` architectures of which networks are to be measured for a fit; none, where it cannot be made.

    All of a space that has fewer than a fit wants, some of them more than once: else a table of few choices would be
    the plain sum of its parts, which may be half of what a network takes.

    Each option throughout comes first, at most for a quarter of them: the ends of the range of costs are there, where
    nothing that is drawn comes near.
    """
    ends = dict.fromkeys(network.canonical(network.space.uniform(option)) for option in network.space.options)
    count = min(count, _affordable(network))
    first = list(ends)[: count // 4]
    found = [*first, *architectures(network, count - len(first), seed=_SEED, without=first)]
    if count >= FEWEST and len(found) < FEWEST and len(found) == len(reachable(network)):
        found = (FEWEST * found)[:FEWEST]
    return found if len(found) >= FEWEST else []


def reachable(network: Supernet) -> list[Architecture]:
    """Return all architectures of a small space that run differently; none of a space of FEWEST and more."""
    if network.space.size > 2**FEWEST:
        return []
    every = itertools.product(*(range(len(choice.options)) for choice in network.space.choices))
    found = dict.fromkeys(network.canonical(Architecture(options)) for options in every)
    return list(found) if len(found) < FEWEST else []


def subjects(
    network: Supernet, chosen: Sequence[Architecture], merging: Sequence[Sequence[Sequence[str]]] = ()
) -> Iterator[Part]:
    """Yield LAUNCH_PART, if there are any, and each built network of the architectures `chosen` as parts to measure.

    Args:
        merging: rows of layers that are made one in each of the first of these; in all others each layer is left.
    """
    if chosen:
        yield LAUNCH_PART
    for number, architecture in enumerate(chosen):
        rows = merging[number] if number < len(merging) else ()
        yield part_on(name(number), network.merge(network.build(architecture).eval(), rows), network.example)


def name(number: int) -> str:
    """Return the key under which the network of that number is measured."""
    return f"network/{number}"


def _preferring(space: Space, generator: torch.Generator) -> Architecture:
    """Draw with weights of the options that are themselves drawn, uniformly from the simplex."""
    weights = -torch.rand(len(space.options), generator=generator).clamp_min(1e-12).log()
    by_name = dict(zip(space.options, weights.tolist(), strict=True))
    options = []
    for choice in space.choices:
        odds = torch.tensor([by_name[option] for option in choice.options])
        options.append(int(torch.multinomial(odds, 1, generator=generator)))
    return Architecture(tuple(options))


def _affordable(network: Supernet) -> int:
    size = sum(parameter.nbytes for parameter in network.parameters())
    return max(1, _MOST_BYTES // max(1, size))
