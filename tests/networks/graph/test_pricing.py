"""What gates cost: the sum over what is left in the graph that is built, for every choice of gates."""

from __future__ import annotations

import copy
import functools
import itertools
import zlib
from collections.abc import Callable, Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from archdial.cost.making.counting import count
from archdial.cost.making.profiling import profile
from archdial.cost.measuring import isolation
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.capture.capture import flow_of
from archdial.networks.graph.pricing import REST, part_of
from archdial.networks.layout import laid_out, layout
from archdial.networks.supernet import Part
from archdial.space import Architecture
from tests.cost.timed_here import timed_here
from tests.networks.graph.examples import (
    NETWORKS,
    Literal,
    Switch,
    architectures,
    counted,
    drawn,
    dropping,
    gated,
    grain_of,
    images,
    inputs,
    lived_in,
    make,
    measured,
    programs,
    soft,
    some,
    surviving,
    weight,
)

RUNTIME = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}


def price(key: str) -> float:
    """A price that differs from key to key, and adds up without rounding."""
    return (1 + zlib.crc32(key.encode()) % 10_000) / 8


def table(network: GatedNetwork) -> CostTable:
    """The latency of each part is its price; counted is nothing."""

    def entry(options: tuple[str, ...], parts: Iterable[Part]) -> CostEntry:
        return CostEntry(options, sum(price(part.key) for part in parts), 0.0, 0, 0, 0)

    terms = []
    for plan in network.terms():
        found = dict(plan.entries)
        if len(plan.choices) == 1:
            found = {(option,): found.get((option,), ()) for option in ("keep", "drop")}
        terms.append(CostTerm(plan.choices, tuple(entry(*item) for item in found.items())))
    named = {name for term in terms for name in term.choices}
    free = [CostTerm((g.name,), (entry(("keep",), ()), entry(("drop",), ()))) for g in network.gates]
    return CostTable(network.space.fingerprint, RUNTIME, (*terms, *(t for t in free if t.choices[0] not in named)))


@functools.cache
def expected_cost(network: GatedNetwork, column: str = "latency_ms") -> ExpectedCost:
    return ExpectedCost(network.space, table(network) if column == "latency_ms" else counts(network), column)


@functools.cache
def counts(network: GatedNetwork) -> CostTable:
    return counted(network)


def sum_of_prices(network: GatedNetwork, architecture: Architecture) -> float:
    parts = [
        part_of(network._sizes().at({}), node, grain_of(network, architecture, node))
        for node in surviving(network, architecture)
    ]
    rest = {p.key for plan in network.terms() for found in plan.entries.values() for p in found if p.key == REST}
    return sum(price(part.key) for part in parts if part is not None) + sum(map(price, rest))


def compare(network: GatedNetwork, architecture: Architecture) -> None:
    cost = expected_cost(network)
    wanted = sum_of_prices(network, architecture)
    assert cost.of(architecture) == wanted
    assert float(cost(network.space.one_hot(architecture).double())) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_the_cost_is_the_sum_over_what_is_left(name: str, data: st.DataObject) -> None:
    compare(gated(name), data.draw(architectures(gated(name))))


@pytest.mark.parametrize("name", ["residual", "vit"])
def test_the_sum_is_no_constant(name: str) -> None:
    network = gated(name)
    costs = [expected_cost(network).of(a) for a in (network.whole, *drawn(network.space, 5))]
    assert len(set(costs)) > 3 and costs[0] == max(costs)
    assert expected_cost(network).lowest == sum_of_prices(network, network.space.uniform("drop"))


@pytest.mark.slow
@settings(max_examples=9, deadline=None)
@given(programs(), st.data())
def test_the_cost_of_random_networks(network: GatedNetwork, data: st.DataObject) -> None:
    architecture = data.draw(architectures(network))
    compare(network, architecture)
    assert expected_cost(network, "parameters").of(architecture) == weight(network.build(architecture))
    assert expected_cost(network, "flops").of(architecture) == flops(network, architecture)


def test_of_soft_gates_it_is_the_mean_over_architectures() -> None:
    for name in ("shared", "nested", "opaque"):
        network = gated(name)
        weights, mean = soft(network, 5).double(), 0.0
        for options in itertools.product((0, 1), repeat=len(network.gates)):
            probability = float(weights[torch.arange(len(options)), torch.tensor(options)].prod())
            mean += probability * sum_of_prices(network, Architecture(options))
        assert float(expected_cost(network)(weights)) == pytest.approx(mean)


@pytest.mark.parametrize("name", ["residual", "shared", "vit"])
def test_it_is_differentiable(name: str) -> None:
    network = gated(name)
    cost = expected_cost(network)
    leaf = soft(network, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(cost, leaf, eps=1e-4)
    (slope,) = torch.autograd.grad(cost(leaf), leaf)
    # To keep is never cheaper, and somewhere dearer.
    difference = slope[:, 0] - slope[:, 1]
    assert (difference >= 0).all() and (difference > 0).sum() > len(difference) / 2


def test_terms_are_over_the_gates_that_decide_together() -> None:
    plans = gated("nested").terms()
    terms = {plan.choices: {options: len(parts) for options, parts in plan.entries.items()} for plan in plans}
    keep = "keep"
    assert terms == {
        (): {(): 3},
        ("branch#2",): {(keep,): 1},
        ("branch", "branch#2"): {(keep, keep): 1},
        ("first", "branch#2"): {(keep, keep): 1},
        ("tanh", "branch", "branch#2"): {(keep, keep, keep): 1},
        ("inner", "branch", "branch#2"): {(keep, keep, keep): 1},
    }


def test_calls_of_one_module_are_one_term() -> None:
    (shared,) = (plan for plan in gated("shared").terms() if "sh" in plan.choices)
    assert set(shared.choices) == {"sh", "sh#2", "branch"}
    named = [dict(zip(shared.choices, options, strict=True)) for options in shared.entries]
    assert all(options["branch"] == "keep" for options in named)
    calls = {(o["sh"], o["sh#2"]): len(p) for o, p in zip(named, shared.entries.values(), strict=True)}
    assert calls == {("keep", "keep"): 2, ("keep", "drop"): 1, ("drop", "keep"): 1}


def flops(network: GatedNetwork, architecture: Architecture) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.build(architecture).eval()(laid_out(inputs(network, 1), layout(network.body)))
    return int(counter.get_total_flops())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_flops_are_those_of_what_is_built(name: str) -> None:
    network = gated(name)
    parameters, work = (expected_cost(network, column) for column in ("parameters", "flops"))
    seen = set()
    for architecture in some(network):
        assert parameters.of(architecture) == weight(network.build(architecture))
        assert work.of(architecture) == flops(network, architecture)
        seen.add((parameters.of(architecture), work.of(architecture)))
    assert len(seen) > 1


def test_bytes_are_those_of_what_is_built() -> None:
    for name in ("residual", "dense", "shared", "nested"):
        network = gated(name)
        written = expected_cost(network, "bytes")
        for architecture in some(network):
            own = count(
                network.build(architecture),
                shape_of(network.example),
                (laid_out(inputs(network, 1), layout(network.body)),),
            )
            assert written.of(architecture) == own.bytes


def test_parameters_of_a_shared_module_count_while_one_call_is_left() -> None:
    network = gated("shared")
    cost = expected_cost(network, "parameters")
    own = weight(network.body.sh)
    whole = cost.of(network.whole)
    assert own == 8 * 8 * 9 + 8
    for names, gone in ((["sh"], 0), (["sh#2"], 0), (["sh", "sh#2"], own), (["branch"], own), (["relu"], 0)):
        assert whole - cost.of(dropping(network, *names)) == gone
    work = expected_cost(network, "flops")
    assert work.of(network.whole) - work.of(dropping(network, "sh")) == 2 * 8 * 8 * 9 * 16 * 16


def test_groups_are_priced_too() -> None:
    groups = {"block*": ["l*.conv1", "l*.bn1"], "ends": ["l*.relu#2", "l1.branch"]}
    network = gates(make("residual"), images(), groups=groups)
    for architecture in some(network):
        compare(network, architecture)
        assert expected_cost(network, "parameters").of(architecture) == weight(network.build(architecture))


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_keys_are_equal_work(name: str) -> None:
    network, seen = gated(name), {}
    for plan in network.terms():
        for part in itertools.chain.from_iterable(plan.entries.values()):
            layouts = [(tensor.shape, tensor.stride()[1:]) for tensor in part.inputs]
            work = (count(part.module, part.input_shape, part.inputs), layouts)
            assert seen.setdefault(part.key, work) == work, part.key
    assert len(seen) > 4


def check_what_is_measured(network: GatedNetwork, batch_size: int) -> None:
    flow = flow_of(network.body, network.graph, (inputs(network, batch_size),))
    examples, checked = measured(network, batch_size), 0
    for node in network.graph.nodes:
        part = part_of(network._sizes().at({}), node)
        if part is None:
            continue
        sources = [flow[source] for source in node.all_input_nodes if source.op != "get_attr"]
        for example, expected in zip(examples[part.key], sources, strict=True):
            assert example.shape == expected.shape, node
            # Images lie in memory as they will.
            if expected.dim() == 4 and expected.is_contiguous(memory_format=torch.channels_last):
                assert example.is_contiguous(memory_format=torch.channels_last), node
            checked += 1
    assert checked > 5


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "encoder"])
def test_what_is_measured_is_what_flows_through_a_batch(name: str, batch_size: int) -> None:
    check_what_is_measured(gated(name), batch_size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "dense", "shared", "opaque", "vit"])
def test_profiling_gives_a_table_of_the_gates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = gated(name)
    if name != "opaque":
        # One that is sent to another process is enough: the others are sent too, but read in this one.
        monkeypatch.setattr(isolation, "timings", timed_here)
    before = copy.deepcopy(network.state_dict())
    made = profile(network, repeats=1, networks=0)
    made.check(network.space)
    cost = ExpectedCost(network.space, made)
    nothing = network.space.uniform("drop")
    assert 0 < cost.of(nothing) < cost.of(network.whole) == cost.highest
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())
    assert [e.parameters for t in made.terms for e in t.entries] == [
        e.parameters for t in counts(network).terms for e in t.entries
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "dense", "shared", "functional", "attending", "vit", "convnext"])
def test_batches_of_four(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "timings", timed_here)
    network = gated(name)
    one, four = (
        {(t.choices, e.options): e for t in made.terms for e in t.entries}
        for made in (counts(network), counted(network, batch_size=4))
    )
    # Counted is one input, however many are measured.
    assert one == four and one
    if name == "residual":
        made = profile(network, repeats=1, batch_size=4, networks=0)
        assert made.runtime["batch_size"] == 4
        assert ExpectedCost(network.space, made).of(network.whole) > 0


def written(code: Callable[[nn.Module, Tensor], Tensor], **modules: nn.Module | Tensor) -> GatedNetwork:
    """A network of a convolution, of code that is given, and of a linear layer."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.fc = nn.Conv2d(3, 8, 3, 1, 1), nn.Linear(8, 10)
            for name, value in modules.items():
                setattr(self, name, nn.Parameter(value) if isinstance(value, Tensor) else value)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.fc(code(self, self.stem(inputs)).mean((2, 3)))

    return gates(lived_in(Model()), images(8, 2))


def check_counts(network: GatedNetwork) -> None:
    table = counted(network)
    parameters, work = (ExpectedCost(network.space, table, column) for column in ("parameters", "flops"))
    for architecture in some(network):
        assert parameters.of(architecture) == weight(network.build(architecture))
        assert work.of(architecture) == flops(network, architecture)


def branch_of(function: Callable[[nn.Module, Tensor], Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda model, features: features + function(model, features)


def test_a_parameter_that_a_function_reads_goes_with_it() -> None:
    code = branch_of(lambda model, features: F.conv2d(features, model.weight, padding=1))
    check_counts(written(code, weight=torch.ones(8, 8, 3, 3)))


def test_parameters_behind_other_code_go_with_what_reads_them() -> None:
    check_counts(written(branch_of(lambda model, features: features * model.scale.exp()), scale=torch.ones(8, 1, 1)))


def test_a_parameter_that_two_functions_read_counts_once() -> None:
    def code(model: nn.Module, features: Tensor) -> Tensor:
        inner = F.relu(F.conv2d(features, model.weight, padding=1))
        return F.conv2d(inner, model.weight, padding=1)

    check_counts(written(branch_of(code), weight=torch.ones(8, 8, 3, 3)))


def test_a_module_of_two_names_counts_once() -> None:
    conv = nn.Conv2d(8, 8, 1)
    check_counts(written(branch_of(lambda model, features: model.b(F.relu(model.a(features)))), a=conv, b=conv))


def test_parameters_that_nothing_reads_cost_nothing() -> None:
    check_counts(written(branch_of(lambda model, features: F.relu(features)), unused=nn.Linear(8, 8)))


def test_functions_on_other_parameters_are_other_work() -> None:
    def code(model: nn.Module, features: Tensor) -> Tensor:
        wide = F.conv2d(features, model.wide, padding="same")
        return F.conv2d(wide, model.narrow, padding="same")

    check_counts(written(branch_of(code), wide=torch.ones(8, 8, 3, 3), narrow=torch.ones(8, 8, 1, 1)))


def windows(model: nn.Module, features: Tensor) -> Tensor:
    """A linear layer on each of four windows, and the same on all pixels at once."""
    batch, channels, height, width = features.shape
    parts = features.reshape(batch, channels, 2, height // 2, 2, width // 2).permute(0, 2, 4, 3, 5, 1)
    parts = model.inner(parts.reshape(batch * 4, height * width // 4, channels))
    parts = parts.reshape(batch, 2, 2, height // 2, width // 2, channels).permute(0, 5, 1, 3, 2, 4)
    tokens = model.outer(features.flatten(2)[..., : height * width // 4].transpose(1, 2))
    return parts.reshape(features.shape) + tokens.mean(1)[..., None, None]


def test_equal_layers_on_more_windows_are_more_work() -> None:
    check_counts(written(branch_of(windows), inner=nn.Linear(8, 8), outer=nn.Linear(8, 8)))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_windows_are_measured_whole(batch_size: int) -> None:
    check_what_is_measured(written(branch_of(windows), inner=nn.Linear(8, 8), outer=nn.Linear(8, 8)), batch_size)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_attention_of_torch_is_measured_on_whole_sequences(batch_size: int) -> None:
    check_what_is_measured(gated("encoder"), batch_size)


def test_constants_are_the_same_for_any_batch() -> None:
    counted(gates(lived_in(Literal()), images()), batch_size=4)


def test_identities_cost_nothing() -> None:
    network = gates(lived_in(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Identity(), Switch())), images())
    compare(network, network.whole)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_normalised_weights_are_profiled(batch_size: int) -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3, 1, 1))
    network = written(branch_of(lambda model, features: model.conv(features)), conv=conv)
    counted(network, batch_size)


def test_networks_of_another_type_are_profiled() -> None:
    counted(gates(make("residual").bfloat16(), images().bfloat16()))


def test_an_activation_that_is_shared_by_all_layers_has_small_terms() -> None:
    layers = nn.ModuleList(nn.Conv2d(8, 8, 1) for _ in range(10))

    def code(model: nn.Module, features: Tensor) -> Tensor:
        return functools.reduce(lambda value, layer: model.relu(layer(value)), model.layers, features)

    network = written(code, layers=layers, relu=nn.ReLU())
    assert sum(len(plan.entries) for plan in network.terms()) < 100


@pytest.mark.parametrize(("name", "most"), [("mobilenet", 2), ("vit", 3), ("convnext", 3)])
def test_terms_are_over_few_gates(name: str, most: int) -> None:
    assert max(len(plan.choices) for plan in gated(name).terms()) == most
