"""Building: a plain module that computes what the supernet computes, and needs no archdial."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.cells.network import CellNetwork
from archdial.space import Architecture
from tests import copied
from tests.networks.examples import counted_table, drawn, inputs, tiny

OPERATIONS = (
    "none",
    "identity",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "dil_conv_5x5",
)


@pytest.fixture
def network() -> CellNetwork:
    return tiny(operations=OPERATIONS)


def some(network: CellNetwork) -> list[Architecture]:
    """At random, of one option throughout, and with a node that nothing feeds."""
    space = network.space
    starved = list(space.uniform("sep_conv_3x3").options)
    starved[:2] = [0, 0]
    starved[-3:] = [0, 0, 0]
    return [*drawn(space, 2), space.uniform("none"), space.uniform("identity"), Architecture(tuple(starved))]


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("plan", [{}, {"cells": 1}, {"image_size": (7, 5), "stem_stride": 2}])
def test_computes_what_the_supernet_computes(plan: dict[str, int], training: bool) -> None:
    network = tiny(operations=OPERATIONS, **plan)
    images = inputs(network, 4)
    for architecture in some(network):
        module = network.build(architecture).train(training)
        network.train(training)
        expected = network(images, network.space.one_hot(architecture))
        torch.testing.assert_close(module(images), expected, rtol=1e-5, atol=1e-5)


def test_statistics_move_as_in_the_supernet(network: CellNetwork) -> None:
    architecture = drawn(network.space, 1)[0]
    module = network.build(architecture).train()
    module(inputs(network, 4))
    network.train()(inputs(network, 4), network.space.one_hot(architecture))
    own = network.state_dict()
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, own[name], msg=name)


def test_nothing_of_archdial_is_in_it(network: CellNetwork) -> None:
    for architecture in some(network)[1:4]:
        module = network.build(architecture)
        homes = {type(part).__module__.split(".")[0] for part in module.modules()}
        assert homes == {"torch"}
        stream = io.BytesIO()
        torch.save(module, stream)
        assert b"archdial" not in stream.getvalue()


@pytest.mark.slow
def test_a_pickled_member_runs_where_archdial_is_not(network: CellNetwork, tmp_path: Path) -> None:
    module = network.build(drawn(network.space, 1)[0])
    images = inputs(network)
    torch.save({"module": module, "images": images, "logits": module(images)}, tmp_path / "member.pt")
    code = (
        "import sys, torch; assert 'archdial' not in sys.modules; sys.modules['archdial'] = None\n"
        "v = torch.load(sys.argv[1], weights_only=False); "
        "torch.testing.assert_close(v['module'](v['images']), v['logits'])"
    )
    copied.run(code, tmp_path / "member.pt")


def test_holds_what_runs_and_nothing_else(network: CellNetwork) -> None:
    cost = ExpectedCost(network.space, counted_table(network), "parameters")
    own = dict(network.named_parameters())
    for architecture in some(network):
        module = network.build(architecture)
        found = dict(module.named_parameters())
        assert found.keys() <= own.keys()
        assert sum(p.numel() for p in found.values()) == cost.of(architecture)
        for name in found:
            if ".edges." not in name:
                continue
            _, cell, _, edge, _, option, *_ = name.split(".")
            choice = network.space.choices[int(edge) + (5 if int(cell) else 0)]
            assert network.space.describe(architecture)[choice.name] == option
        assert not any(isinstance(part, nn.Identity) for part in module.modules())


def test_modules_stand_in_the_order_in_which_they_run(network: CellNetwork) -> None:
    """Whoever draws new weights for them goes by it: with one seed they are to be the same ones."""
    for architecture in some(network):
        module = network.build(architecture)
        assert isinstance(module, fx.GraphModule)
        expected = fx.GraphModule(network, copy.deepcopy(module.graph))
        assert list(module.state_dict()) == list(expected.state_dict())


def test_is_a_copy(network: CellNetwork) -> None:
    architecture = network.space.uniform("sep_conv_3x3")
    before = copy.deepcopy(network.state_dict())
    module, other = network.build(architecture), network.build(architecture)
    images = inputs(network)
    logits = other(images)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    module.train()(images).square().sum().backward()
    optimizer.step()
    assert not module.eval()(images).allclose(logits)
    assert other(images).equal(logits)
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_training_reaches_every_parameter_of_it(network: CellNetwork) -> None:
    module = network.build(drawn(network.space, 1, seed=3)[0]).train()
    module(inputs(network)).square().sum().backward()
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


def test_mode_is_that_of_the_supernet(network: CellNetwork) -> None:
    architecture = network.space.uniform("sep_conv_3x3")
    for training in (False, True):
        network.train(training)
        module = network.build(architecture)
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert norms
        assert {part.training for part in norms} == {training} == {module.training}


def test_deepcopy_and_state_dict(network: CellNetwork) -> None:
    architecture = drawn(network.space, 1)[0]
    module, images = network.build(architecture), inputs(network)
    assert copy.deepcopy(module)(images).equal(module(images))
    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    stream.seek(0)
    other = tiny(1, operations=OPERATIONS).build(architecture)
    assert not other(images).allclose(module(images))
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert other(images).equal(module(images))


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("size", [(8, 8), (11, 6), (1, 1)])
def test_runs_on_other_batches_and_image_sizes(network: CellNetwork, batch: int, size: tuple[int, int]) -> None:
    images = inputs(network, batch, size)
    for architecture in some(network)[::2]:
        expected = network(images, network.space.one_hot(architecture))
        torch.testing.assert_close(network.build(architecture)(images), expected)


@pytest.mark.slow
def test_exports_with_any_batch_size(network: CellNetwork) -> None:
    # The last one has a node that nothing feeds.
    module = network.build(some(network)[-1])
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(module, (inputs(network, 2),), dynamic_shapes=({0: batch},))
    images = inputs(network, 7)
    result: Tensor = exported.module()(images)
    torch.testing.assert_close(result, module(images))
