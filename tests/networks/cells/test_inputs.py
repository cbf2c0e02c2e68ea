"""Cells on signals and tokens, and heads for other tasks than classes of images."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.cost.making.counting import count
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.cells.cell_plan import CellPlan
from archdial.networks.cells.network import CellNetwork, cells
from tests.networks.examples import counted_table, drawn, inputs, tiny

KINDS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "signals": ({"length": 13}, (5,)),
    "long signals": ({"length": 70, "stem_stride": 8, "cells": 1}, (5,)),
    "tokens": ({"length": 7, "tokens": 11, "stem_stride": 2}, (5,)),
    "a forecast": ({"length": 13, "outputs": (4, 2)}, (4, 2)),
    "a forecast of a few places": ({"length": 13, "outputs": 6, "places": 3}, (6,)),
    "a class for each moment": ({"length": 13, "dense": True}, (5, 13)),
    "numbers for images": ({"image_size": (9, 6), "outputs": 3}, (3,)),
    "a class for each pixel": ({"image_size": (9, 6), "dense": True, "cells": 2}, (5, 9, 6)),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[CellNetwork, tuple[int, ...]]:
    plan, shape = KINDS[request.param]
    return tiny(**plan), shape


@pytest.mark.slow
def test_members_compute_what_the_supernet_does_and_cost_what_they_have(
    kind: tuple[CellNetwork, tuple[int, ...]],
) -> None:
    network, shape = kind
    table, seen = counted_table(network), inputs(network, 4)
    cost = {column: ExpectedCost(network.space, table, column) for column in ("parameters", "flops")}
    for architecture in [*drawn(network.space, 3), network.space.uniform("none")]:
        module = network.build(architecture)
        outputs = module(seen)
        assert outputs.shape == (4, *shape) and outputs.isfinite().all()
        torch.testing.assert_close(outputs, network(seen, network.space.one_hot(architecture)))
        assert {type(part).__module__.split(".")[0] for part in module.modules()} == {"torch"}
        found = count(module, (), (network.example,))
        assert cost["parameters"].of(architecture) == found.parameters
        assert cost["flops"].of(architecture) == found.flops


def test_every_parameter_is_in_one_part_and_is_trained(kind: tuple[CellNetwork, tuple[int, ...]]) -> None:
    network, _ = kind
    parts = [part for plan in network.terms() for found in plan.entries.values() for part in found]
    owned = Counter(id(p) for part in parts for p in part.module.parameters())
    assert set(owned) == {id(p) for p in network.parameters()} and set(owned.values()) == {1}
    weights = torch.full(network.space.shape, 0.5)
    network.train()(inputs(network, 4), weights).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_json_makes_an_equal_network(kind: tuple[CellNetwork, tuple[int, ...]]) -> None:
    network, _ = kind
    again = CellNetwork.from_json(json.loads(json.dumps(network.to_json())))
    assert again.plan == network.plan and again.to_json() == network.to_json()
    again.load_state_dict(network.state_dict())
    weights, seen = network.space.one_hot(drawn(network.space, 1)[0]), inputs(network)
    assert again.eval()(seen, weights).equal(network(seen, weights))


def test_plans_of_images_and_classes_are_written_as_ever() -> None:
    assert list(tiny().to_json()) == [
        *("kind", "in_channels", "classes", "cells", "nodes", "operations", "channels", "image_size", "stem_stride")
    ]
    names = [name for name in tiny().state_dict() if name.startswith(("stem.", "head."))]
    assert "stem.0.weight" in names and "head.4.bias" in names


@pytest.mark.parametrize("length", [5, 12, 13, 23])
def test_a_forecast_knows_every_moment(length: int) -> None:
    network = tiny(length=length, cells=2, outputs=3, places=4)
    seen = inputs(network, 1).requires_grad_()
    network(seen, network.space.one_hot(network.space.uniform("sep_conv_3"))).sum().backward()
    assert seen.grad is not None and bool((seen.grad != 0).any(1).all())
    # And where it was: a mean over all places would not.
    with torch.no_grad():
        weights = network.space.one_hot(network.space.uniform("avg_pool_3"))
        one, other = (
            torch.nn.functional.one_hot(torch.tensor([[place] * 3]), length).float() for place in (0, length - 1)
        )
        assert not torch.allclose(network(one, weights), network(other, weights), atol=1e-4)


def test_a_batch_by_name_goes_by_the_name_of_the_example() -> None:
    tokens = torch.arange(14).view(2, 7)
    network = cells(example={"input_ids": tokens, "labels": torch.zeros(2)}, tokens=14, classes=2, channels=4, cells=1)
    assert network.plan == CellPlan(
        64, 2, 1, 4, ("max_pool_3", "identity", "sep_conv_3"), 4, None, length=7, tokens=14, input_name="input_ids"
    )
    weights = network.eval().space.one_hot(drawn(network.space, 1)[0])
    batch = {"input_ids": tokens, "attention_mask": torch.ones(2, 7), "labels": torch.zeros(2)}
    member = network.build(drawn(network.space, 1)[0], [batch])
    assert network(batch, weights).equal(network(tokens, weights))
    assert member(input_ids=tokens).shape == (2, 2)


@pytest.mark.parametrize(
    ("example", "plan"),
    [
        (torch.zeros(2, 3, 8, 6), {"in_channels": 3, "image_size": (8, 6), "length": None}),
        (torch.zeros(2, 3, 8), {"in_channels": 3, "image_size": None, "length": 8}),
    ],
)
def test_an_example_says_what_goes_in(example: Tensor, plan: dict[str, Any]) -> None:
    network = cells(example=example, classes=2, channels=2, cells=1, nodes=1)
    assert {name: getattr(network.plan, name) for name in plan} == plan
    assert network.example.shape[1:] == example.shape[1:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 2}, "cells need to know their inputs: pass in_channels"),
        ({"in_channels": 1}, "classes and outputs are neither: pass classes"),
        ({"in_channels": 1, "classes": 2, "outputs": 3}, r"classes and outputs are 2 and \(3,\)"),
        (
            {"in_channels": 1, "classes": 2, "length": 8, "image_size": 8},
            "signals take length, images image_size; pass one",
        ),
        ({"tokens": 9, "classes": 2}, "tokens = 9 without a length"),
        ({"in_channels": 1, "length": 0, "classes": 2}, "length is 0: expected at least 1"),
        ({"in_channels": 1, "outputs": (2**16, 2**16)}, "expected at most 16,777,216 numbers"),
        ({"in_channels": 1, "outputs": ()}, r"outputs is \[\]"),
        ({"in_channels": 1, "outputs": (2, 3), "dense": True}, "dense outputs give one number per position"),
        ({"in_channels": 1, "classes": 2, "length": 8, "operations": ("sep_conv_3x3",)}, "did you mean 'sep_conv_3'"),
        ({"example": torch.zeros(2, 7).long(), "classes": 2}, "of tokens: pass tokens="),
        ({"example": torch.zeros(2, 7), "classes": 2}, r"expected floating point numbers \(n, channels, height"),
        ({"example": torch.zeros(2, 1, 7), "classes": 2, "length": 7}, "omit image_size and length"),
        ({"example": torch.zeros(2, 1, 7), "classes": 2, "in_channels": 3}, "in_channels = 3, but the example has 1"),
        (
            {"example": {"a": torch.zeros(2, 7), "b": torch.zeros(2)}, "classes": 2},
            "cells take one tensor, alone or as",
        ),
        ({"example": {"a b": torch.zeros(2, 1, 7)}, "classes": 2}, "input_name is 'a b': expected an argument name"),
    ],
)
def test_wrong_calls(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cells(**arguments)


@pytest.mark.parametrize("name", ["inputs=print(1)", "self", "lambda", "a, b"])
def test_no_code_comes_from_the_name_of_an_input(name: str) -> None:
    with pytest.raises(UsageError, match="expected an argument name"):
        CellNetwork.from_json({**tiny().to_json(), "input_name": name})
