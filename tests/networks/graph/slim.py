"""Networks of the examples with widths beside their gates, for tests that leave them as they were."""

from __future__ import annotations

import functools

import torch
from hypothesis import strategies as st

from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choosing import choices
from archdial.space import Architecture
from tests.networks.graph.examples import case, images, size_of

SLIM = ["residual", "dense", "shared", "functional", "attending", "nested", "encoder", "bottleneck", "mobilenet", "vit"]
"""Those that have widths."""


@functools.cache
def slimmed(name: str) -> GatedNetwork:
    model, _ = case(name)
    return choices(model, images(size_of(name), 2), multiple=1)


def options_of(network: GatedNetwork) -> st.SearchStrategy[Architecture]:
    each = (st.integers(0, len(choice.options) - 1) for choice in network.space.choices)
    return st.tuples(*each).map(Architecture)


def taken(network: GatedNetwork, **options: str) -> Architecture:
    """The whole, but for the options of some choices, whose dots are double underscores."""
    named = network.space.describe(network.whole) | {name.replace("__", "."): value for name, value in options.items()}
    return network.space.parse(named)


def masked_weights(network: GatedNetwork, architecture: Architecture) -> torch.Tensor:
    """Its weights, under which everything runs: they ask for a gradient."""
    return network.space.one_hot(architecture).requires_grad_()
