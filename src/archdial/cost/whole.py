"""Whole networks to measure beside the parts: random architectures from all over a space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch

from archdial.networks.base import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

_MOST_BYTES = 2 * 2**30
"""Weights of all networks that are measured together, in this process and once more in that which measures."""
_TRIES = 50


def architectures(
    network: Supernet, count: int, seed: int, without: Collection[Architecture] = ()
) -> list[Architecture]:
    """Return `count` distinct architectures, or as many as there are or memory is for, none of them in `without`.

    Every other one is drawn uniformly, the others with a preference for some options: uniform draws alone are all
    about equally fast where there are many choices.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[Architecture, None] = {}
    most = min(count, _affordable(network))
    for number in range(_TRIES * most):
        if len(found) == most:
            break
        drawn = network.space.random(generator) if number % 2 else _preferring(network.space, generator)
        architecture = network.canonical(drawn)
        if architecture not in without:
            found[architecture] = None
    return list(found)


def subjects(network: Supernet, chosen: Sequence[Architecture]) -> Iterator[Part]:
    """Yield each built network of the architectures `chosen` as a part to measure."""
    for number, architecture in enumerate(chosen):
        yield Part(f"network/{number}", network.build(architecture).eval(), network.input_shape)


def by_kind(
    space: Space, plans: Sequence[TermPlan], latency_ms: Mapping[str, float], architecture: Architecture
) -> dict[str, float]:
    """Return the milliseconds that the parts of each kind take alone in the network of `architecture`."""
    taken = space.describe(architecture)
    found: dict[str, float] = defaultdict(float)
    for plan in plans:
        for part in plan.entries.get(tuple(taken[name] for name in plan.choices), ()):
            found[part.kind] += latency_ms[part.key]
    return dict(found)


def _preferring(space: Space, generator: torch.Generator) -> Architecture:
    """Draw with weights of the options that are themselves drawn, uniformly from the simplex."""
    names = list(dict.fromkeys(option for choice in space.choices for option in choice.options))
    weights = -torch.rand(len(names), generator=generator).clamp_min(1e-12).log()
    by_name = dict(zip(names, weights.tolist(), strict=True))
    options = []
    for choice in space.choices:
        odds = torch.tensor([by_name[option] for option in choice.options])
        options.append(int(torch.multinomial(odds, 1, generator=generator)))
    return Architecture(tuple(options))


def _affordable(network: Supernet) -> int:
    size = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    return max(1, _MOST_BYTES // max(1, size))
