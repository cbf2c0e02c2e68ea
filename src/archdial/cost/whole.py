"""Whole networks to measure beside the parts: random architectures from all over a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import nn

from archdial.cost.fit import Fit, fit
from archdial.networks.base import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

_MOST_BYTES = 2 * 2**30
"""Weights of all networks that are measured together, in this process and once more in that which measures."""
_TRIES = 50

LAUNCH = Part("launch", nn.ReLU(), (1, 1, 1))
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
    """Yield LAUNCH, if there are any, and each built network of the architectures `chosen` as parts to measure."""
    if chosen:
        yield LAUNCH
    for number, architecture in enumerate(chosen):
        yield Part(name(number), network.build(architecture).eval(), network.input_shape)


def name(number: int) -> str:
    """Return the key under which the network of that number is measured."""
    return f"network/{number}"


def fitted(
    space: Space, plans: Sequence[TermPlan], chosen: Sequence[Architecture], latency_ms: Mapping[str, float]
) -> Fit:
    """Return the fit of `plans` to the networks `chosen`, at least FEWEST.

    Args:
        space: of the architectures.
        plans: which parts run when.
        chosen: architectures of the networks.
        latency_ms: of all parts, of LAUNCH and of the networks, by key.
    """
    every = dict.fromkeys(part for plan in plans for entry in plan.entries.values() for part in entry)
    return fit(
        counts=[Counter(part.key for part in parts_of(space, plans, architecture)) for architecture in chosen],
        measured=[latency_ms[name(number)] for number in range(len(chosen))],
        latency_ms={part.key: latency_ms[part.key] for part in every},
        kinds={part.key: part.kind for part in every},
        launch_ms=latency_ms[LAUNCH.key],
    )


def parts_of(space: Space, plans: Sequence[TermPlan], architecture: Architecture) -> list[Part]:
    """Return the parts that run in the network of `architecture`, each as often as it runs."""
    taken = space.describe(architecture)
    return [part for plan in plans for part in plan.entries.get(tuple(taken[name] for name in plan.choices), ())]


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
