"""Cell networks: their plan, their space, and the weights as an argument."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from archdial.common.errors import UsageError
from archdial.cost.measuring.parts import batch
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.cells.cell import Cell
from archdial.networks.cells.cell_plan import CellPlan
from archdial.networks.cells.edges import Edge
from archdial.networks.cells.network import CellNetwork, cells
from archdial.networks.example import shape_of
from archdial.networks.supernet import TermPlan
from archdial.space import Architecture
from tests.networks.examples import counted_table, drawn, inputs, tiny

PAPER = ("max_pool_3x3", "identity", "sep_conv_3x3")


def parameters(plan: TermPlan, option: str) -> int:
    return sum(p.numel() for part in plan.entries[(option,)] for p in part.module.parameters())


def edges(network: CellNetwork) -> list[tuple[str, Edge]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, Edge)]


def test_three_cells_of_four_nodes_have_28_choices() -> None:
    space = CellPlan(1, 10).space()
    assert len(space.choices) == 28
    assert {choice.options for choice in space.choices} == {PAPER}
    assert space.kinds == PAPER
    names = [choice.name for choice in space.choices]
    assert names[:5] == ["normal/2<-0", "normal/2<-1", "normal/3<-0", "normal/3<-1", "normal/3<-2"]
    assert names[14] == "reduction/2<-0"
    assert names[-1] == "reduction/5<-4"


@pytest.mark.parametrize(
    ("count", "reducing"), [(1, []), (2, [1]), (3, [1, 2]), (4, [1, 2]), (6, [2, 4]), (8, [2, 5]), (20, [6, 13])]
)
def test_a_third_and_two_thirds_of_the_depth_reduce(count: int, reducing: list[int]) -> None:
    plan = CellPlan(1, 10, cells=count)
    assert [cell for cell in range(count) if plan.reduces(cell)] == reducing
    assert len(plan.space().choices) == (28 if reducing else 14)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (3, 5)])
def test_reductions_halve_the_image_and_double_the_channels(size: tuple[int, int]) -> None:
    network = tiny(cells=6, image_size=size)
    shapes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, Cell):
            module.register_forward_hook(lambda m, args, output: shapes.append(tuple(output.shape[1:])))
    network(inputs(network), network.space.one_hot(network.space.uniform("sep_conv_3x3")))
    half = tuple(-(-length // 2) for length in size)
    quarter = tuple(-(-length // 2) for length in half)
    # 2 nodes of 4 channels, which the cells number 2 and 4 double.
    assert shapes == [(8, *size)] * 2 + [(16, *half)] * 2 + [(32, *quarter)] * 2


def test_parameters_in_the_choices_as_published() -> None:
    """Borodin (2023), Firsov and Bakhteev (2024): 3 cells of 4 nodes, 16 channels."""
    network = cells(1, 10, cells=3, nodes=4, channels=16, operations=PAPER)
    plans = {plan.choices: plan for plan in reversed(network.terms())}
    halving = {("reduction", source) for source in "01"}
    for name in (choice.name for choice in network.space.choices):
        plan, cell, source = plans[(name,)], name.split("/")[0], name[-1]
        assert parameters(plan, "max_pool_3x3") == 0
        identity = [sum(p.numel() for p in part.module.parameters()) for part in plan.entries[("identity",)]]
        assert identity == ([1_024, 4_096] if (cell, source) in halving else [])
        # In the reduction cells of 32 and 64 channels: 2 · (9c + c²).
        assert parameters(plan, "sep_conv_3x3") == (800 if cell == "normal" else 2_624 + 9_344)
    cost = ExpectedCost(network.space, counted_table(network), "parameters")
    pools = network.space.uniform("max_pool_3x3")
    assert cost.of(pools) == float(cost.constant)
    one = Architecture(tuple(int(c.name == "reduction/2<-0") for c in network.space.choices))
    assert cost.of(one) - cost.of(pools) == 5_120
    nine = Architecture(tuple(o or 2 * (row < 9) for row, o in enumerate(one.options)))
    assert cost.of(nine) - cost.of(pools) == 12_320


@pytest.mark.parametrize("batch", [1, 4])
def test_a_mixture_is_the_weighted_sum(batch: int) -> None:
    """One cell of one node fed by identities and nones: the head sees a sum that can be written down."""
    network = tiny(cells=1, nodes=1, operations=("none", "identity"))
    images, weights = inputs(network, batch), torch.tensor([[0.7, 0.3], [0.4, 0.6]])
    stem = network.stem(images)
    (cell,) = network.cells
    expected = network.head(0.3 * cell.older(stem) + 0.6 * cell.newer(stem))
    torch.testing.assert_close(network(images, weights), expected)
    nothing = network(images, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    torch.testing.assert_close(nothing, network.head(torch.zeros_like(cell.older(stem))))


def test_an_edge_is_the_weighted_sum_of_all_its_options() -> None:
    network = tiny()
    edge = edges(network)[0][1].eval()
    images, weights = torch.randn(2, 4, 6, 6), torch.tensor([0.1, 0.2, 0.3, 0.4])
    parts: list[Tensor] = [edge.options[name](images) for name in edge.names[1:]]
    expected = sum(weight * part for weight, part in zip(weights[1:], parts, strict=True))
    taken: list[tuple[int, Tensor | None]] = list(enumerate(weights))
    torch.testing.assert_close(edge(images, taken), expected)
    assert edge(images, [(0, weights[0])]) is None
    assert edge(images, []) is None


def calls_of(network: CellNetwork) -> Counter[str]:
    calls: Counter[str] = Counter()
    for name, edge in edges(network):
        for option, module in edge.options.items():
            key = f"{name}:{option}"
            module.register_forward_hook(lambda m, args, output, key=key: calls.update([key]))
    return calls


def test_options_of_weight_zero_do_not_run() -> None:
    network = tiny()
    calls, space = calls_of(network), network.space
    for architecture in drawn(space, 4):
        calls.clear()
        network(inputs(network), space.one_hot(architecture))
        rows = [0, 1, 1]  # the choices of the reduction cells come second
        expected = {
            f"cells.{cell}.edges.{edge}:{option}"
            for cell, kind in enumerate(rows)
            for edge in range(5)
            if (option := space.choices[5 * kind + edge].options[architecture.options[5 * kind + edge]]) != "none"
        }
        assert calls == dict.fromkeys(expected, 1)
    calls.clear()
    weights = torch.full(space.shape, 0.5)
    weights[:, 1:3] = 0.0
    network(inputs(network), weights)
    assert {key.split(":")[1] for key in calls} == {"sep_conv_3x3"}


def test_weights_that_need_gradients_run_the_same_path() -> None:
    network = tiny()
    calls, space = calls_of(network), network.space
    architecture = drawn(space, 1)[0]
    plain = space.one_hot(architecture)
    output, ran = network(inputs(network), plain), dict(calls)
    calls.clear()
    leaf = plain.clone().requires_grad_()
    torch.testing.assert_close(network(inputs(network), leaf), output)
    assert calls == ran


def test_gradients_reach_what_was_taken_and_nothing_else() -> None:
    network = tiny(operations=("identity", "sep_conv_3x3", "sep_conv_5x5")).train()
    space = network.space
    architecture = drawn(space, 1)[0]
    leaf = space.one_hot(architecture).requires_grad_()
    network(inputs(network), leaf).square().sum().backward()
    for name, edge in edges(network):
        cell, number = int(name.split(".")[1]), int(name.split(".")[3])
        taken = architecture.options[number + (5 if cell else 0)]
        for index, option in enumerate(edge.names):
            for parameter in edge.options[option].parameters():
                assert (parameter.grad is not None) == (index == taken), (name, option)
    assert leaf.grad is not None
    assert (leaf.grad != 0).equal(space.one_hot(architecture).bool())


def test_gradient_of_the_weights_is_that_of_finite_differences() -> None:
    network = tiny(cells=2, operations=("none", "identity", "avg_pool_3x3")).double()
    images = inputs(network, 2).double()
    weights = torch.full(network.space.shape, 1 / 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: network(images, w), weights, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("plan", "size"),
    [
        ({"cells": 1}, (8, 8)),
        ({"cells": 2, "nodes": 1}, (9, 6)),
        ({"cells": 3, "in_channels": 1, "classes": 2}, (5, 11)),
        ({"cells": 4, "in_channels": 7, "classes": 1}, (1, 1)),
        ({"cells": 3, "channels": 3}, (7, 7)),
        ({"cells": 3, "channels": 2}, (28, 28)),
        ({"cells": 5, "stem_stride": 2}, (13, 8)),
        ({"cells": 3, "stem_stride": 2}, (1, 1)),
    ],
)
def test_any_size_channels_classes_and_depth(plan: dict[str, int], size: tuple[int, int]) -> None:
    network = tiny(image_size=size, **plan)
    assert shape_of(network.example) == (plan.get("in_channels", 3), *size)
    images = inputs(network, 2)
    uniform = network.space.mask / network.space.mask.sum(1, keepdim=True)
    one_hots = network.space.one_hots([network.space.uniform(o) for o in network.plan.operations])
    for weights in (uniform, *one_hots):
        logits = network(images, weights)
        assert logits.shape == (2, plan.get("classes", 5))
        assert logits.isfinite().all()
    # The shapes that a cost table is measured on are those that run.
    every = [p for plan in network.terms() for parts in plan.entries.values() for p in parts]
    # Sums and concatenations are no module of the network; their stand-in must give what a cell gives.
    joints = [p for p in every if p.key.startswith("joints")]
    shapes = [tuple(p.module(torch.zeros(1, *p.input_shape)).shape[1:]) for p in joints]
    outputs: list[tuple[int, ...]] = []
    for cell in network.cells:
        cell.register_forward_hook(lambda m, args, output: outputs.append(tuple(output.shape[1:])))
    seen: dict[int, tuple[int, ...]] = {}
    for module in network.modules():
        module.register_forward_pre_hook(lambda m, args: seen.update({id(m): tuple(args[0].shape[1:])}))
    network(images, uniform)
    assert shapes == outputs
    whole = dict(seen)
    seen.clear()
    for part in (p for p in every if p not in joints):
        part.module(*batch(part, 1))
    layers = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]
    assert all(seen[id(layer)] == whole[id(layer)] for layer in layers)
    assert all(whole[layer] == shape for layer, shape in seen.items() if layer in whole)


REPEATED = ("max_pool_3x3", "avg_pool_3x3", "identity", "sep_conv_3x3", "dil_conv_3x3")


@pytest.mark.slow
def test_what_edges_from_one_node_share_runs_once_and_is_paid_once() -> None:
    network = tiny(cells=3, nodes=3, operations=REPEATED)
    network_terms, table = network.terms(), counted_table(network)
    modules = {part.key: part.module for plan in network_terms for ps in plan.entries.values() for part in ps}

    def repeats(module: nn.Module) -> Counter[str]:
        graph = module.graph if isinstance(module, fx.GraphModule) else None
        names = [type(m).__name__ for m in module.modules()]
        if graph is not None:
            names = [type(module.get_submodule(n.target)).__name__ for n in graph.nodes if n.op == "call_module"]
            names += ["pad" for n in graph.nodes if n.op == "call_function" and "pad" in str(n.target)]
        names += ["pad"] * names.count("Shift")
        return Counter(name for name in names if name in ("ReLU", "MaxPool2d", "AvgPool2d", "pad"))

    def paid(architecture: Architecture) -> Counter[str]:
        found: Counter[str] = Counter()
        for plan in network_terms:
            taken = [network.space.describe(architecture)[choice] for choice in plan.choices]
            for options, parts in plan.entries.items():
                if all(one in asked.split("|") for one, asked in zip(taken, options, strict=True)):
                    for part in parts:
                        found.update(repeats(modules[part.key]))
        return found

    uniform = [network.space.uniform(option) for option in REPEATED]
    every = [*uniform, *drawn(network.space, 40)]
    differences = []
    for architecture in every:
        ran, due = repeats(network.build(architecture)), paid(architecture)
        assert all(ran[name] == due[name] for name in ("MaxPool2d", "AvgPool2d"))
        differences.append((due["ReLU"] - ran["ReLU"], due["pad"] - ran["pad"]))
    # Inputs of cells share some too, whatever the architecture: that is for the fit's constant.
    assert len(set(differences)) == 1
    pools = [repeats(network.build(a))["MaxPool2d"] for a in uniform]
    assert pools == [3 * (2 + 3 - 1), 0, 0, 0, 0], "nodes 0 to 3 of three cells, not their nine edges"
    cost = ExpectedCost(network.space, table, "bytes")
    once = cost.of(uniform[0])
    assert once < cost.of(uniform[3])


def test_shared_work_costs_what_is_expected_in_between_too() -> None:
    network = tiny(cells=2, nodes=2, operations=REPEATED)
    cost = ExpectedCost(network.space, counted_table(network), "latency_ms")
    generator = torch.Generator().manual_seed(0)
    chances = torch.rand(network.space.shape, generator=generator, dtype=torch.float64)
    chances = chances / chances.sum(-1, keepdim=True)
    drawn_paths = torch.multinomial(chances, 20_000, replacement=True, generator=generator).T
    costs = cost(functional.one_hot(drawn_paths, len(REPEATED)).double())
    # Multilinear: the expected cost of independent draws is the cost of their probabilities.
    assert float(cost(chances)) == pytest.approx(float(costs.mean()), rel=0.005)


@pytest.mark.slow
def test_parts_of_one_key_are_equal_work() -> None:
    network = tiny(cells=6, nodes=3)
    shapes: dict[str, set[object]] = {}
    for plan in network.terms():
        for part in (part for parts in plan.entries.values() for part in parts):
            sizes = tuple(tuple(p.shape) for p in part.module.parameters())
            shapes.setdefault(part.key, set()).add((part.input_shape, sizes, str(part.module)))
    assert all(len(found) == 1 for found in shapes.values())


def test_every_parameter_is_in_exactly_one_part() -> None:
    network = tiny(cells=4)
    parts = [part for plan in network.terms() for found in plan.entries.values() for part in found]
    owned = Counter(id(p) for part in parts for p in part.module.parameters())
    assert set(owned.values()) == {1}
    assert set(owned) == {id(p) for p in network.parameters()}


def test_json_round_trip_makes_an_equal_network() -> None:
    network = tiny(cells=4, stem_stride=2, image_size=(9, 7))
    again = CellNetwork.from_json(json.loads(json.dumps(network.to_json())))
    assert again.plan == network.plan
    assert again.space == network.space
    again.load_state_dict(network.state_dict())
    weights = network.space.one_hot(drawn(network.space, 1)[0])
    assert again.eval()(inputs(network), weights).equal(network(inputs(network), weights))


def test_same_seed_same_network() -> None:
    one, two, three = (torch.cat([p.flatten() for p in tiny(seed).parameters()]) for seed in (0, 0, 1))
    assert one.equal(two)
    assert not one.equal(three)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"in_channels": 0}, "in_channels is 0"),
        ({"classes": 0}, "classes is 0"),
        ({"cells": 0}, "cells is 0"),
        ({"nodes": -1}, "nodes is -1"),
        ({"channels": 1}, "channels = 1: expected at least 2"),
        ({"image_size": 0}, "image_size is"),
        ({"image_size": (8, -1)}, "image_size is"),
        ({"stem_stride": 3}, "stem_stride = 3"),
        ({"operations": ()}, "at least one"),
        ({"operations": ("identity", "identity")}, "at least one name, all distinct"),
        ({"operations": ("identity", "sepconv_3x3")}, "did you mean 'sep_conv_3x3'"),
        ({"operations": "identity"}, "unknown operation 'i'"),
    ],
)
def test_wrong_plans(plan: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny(**plan)
