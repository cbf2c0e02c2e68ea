"""The gated network: forward under gates, and the plain module that is built."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from archdial.common.errors import UsageError
from archdial.families.stored_network import open_network
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.conditions import holds
from archdial.space import Architecture
from tests import copied
from tests.networks.graph.examples import (
    NETWORKS,
    OWN,
    Block,
    Switch,
    architectures,
    as_it_was,
    case,
    close,
    drawn,
    dropping,
    gated,
    images,
    inputs,
    is_coarse,
    lived_in,
    make,
    output,
    programs,
    soft,
    some,
    weight,
)

TORCH_LEAVES = ("residual", "dense", "shared", "functional", "nested", "attending", "encoder", "resnet", "mobilenet")


class Plain(fx.Interpreter):
    """Runs the whole graph with keep · output + drop · instead written out at each gate."""

    def __init__(self, network: GatedNetwork, weights: Tensor) -> None:
        super().__init__(fx.GraphModule(network.body, network.graph), garbage_collect_values=False)
        self.weights = weights
        self.instead = {o.node.name: (o.passes, row) for row, g in enumerate(network.gates) for o in g.operations}
        self.named = {node.name: node for node in self.module.graph.nodes}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node.name not in self.instead:
            return result
        passes, row = self.instead[node.name]
        keep, drop = self.weights[row]
        return keep * result + drop * self.env[self.named[passes.name]]


def agree(network: GatedNetwork, architecture: Architecture) -> None:
    """Assert that what is built and both ways to run the gates give the same, in both modes, as do their statistics.

    In training mode only where all pixels are computed: the statistics of a batch are those of the pixels that are.
    """
    weights, given = network.space.one_hot(architecture), inputs(network, 4)
    close(network.build(architecture).eval()(given), network(given, weights), 1e-4)
    # In float64, as without normalisation, and with that of a batch, rounding grows from layer to layer.
    given = given.double()
    for training in (False,) if is_coarse(network, architecture) else (False, True):
        for asked in (False, True):
            with as_it_was(network, training):
                module = network.double().build(architecture)
                result = network(given, weights.clone().requires_grad_(asked))
                states = dict(network.body.named_buffers())
                close(result, module.train(training)(given), 1e-7)
                for name, buffer in () if asked else module.named_buffers():
                    torch.testing.assert_close(buffer, states[name.removeprefix("constants.")], msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_built_computes_what_the_gates_do(name: str) -> None:
    network = gated(name)
    for architecture in some(network, 3):
        agree(network, architecture)


@pytest.mark.parametrize("name", ["residual", "dense", "shared", "functional", "nested", "attending"])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_for_any_architecture(name: str, data: st.DataObject) -> None:
    agree(gated(name), data.draw(architectures(gated(name))))


@pytest.mark.slow
@settings(max_examples=9, deadline=None)
@given(programs(), st.data())
def test_for_any_architecture_of_random_networks(network: GatedNetwork, data: st.DataObject) -> None:
    agree(network, data.draw(architectures(network)))


def test_grouped_operations_are_dropped_together() -> None:
    groups = {"block*": ["l*.conv1", "l*.bn1", "l*.bn2"], "activations": ["activation"]}
    network = gates(make("residual"), images(), groups=groups)
    alone = gated("residual")
    for name, members in (("block1", ("l1.conv1", "l1.bn1", "l1.bn2")), ("block2", ("l2.bn1", "l2.bn2"))):
        agree(network, dropping(network, name))
        given = inputs(network)
        close(network.build(dropping(network, name))(given), alone.build(dropping(alone, *members))(given))
    assert not [m for m in network.build(dropping(network, "activations")).modules() if isinstance(m, nn.ReLU)]


@pytest.mark.parametrize("name", ["residual", "dense", "shared", "functional", "vit"])
def test_soft_gates_are_the_written_out_sum_in_value_and_gradient(name: str) -> None:
    network = gated(name)
    given = inputs(network, 2).double().requires_grad_()
    with as_it_was(network):
        network.double()
        for weights in (soft(network), *(network.space.one_hot(a) for a in drawn(network.space, 2))):
            leaf = weights.double().requires_grad_()
            found = []
            for result in (network(given, leaf), Plain(network, leaf).run(given)):
                gradients = torch.autograd.grad(
                    result.square().sum(), [leaf, given, *network.parameters()], allow_unused=True
                )
                found.append((result, gradients))
            (result, own), (expected, plainly) = found
            close(result, expected, 1e-9)
            assert own[0].any() and all(gradient is not None for gradient in own[:2])
            for one, two in zip(own, plainly, strict=True):
                wanted = torch.zeros(()) if two is None else two
                close(torch.zeros_like(wanted) if one is None else one, wanted, 1e-9)


def test_soft_gates_without_gradient_mix_too() -> None:
    network = gated("residual")
    weights = soft(network)
    close(network(inputs(network), weights), Plain(network, weights).run(inputs(network)))


@pytest.mark.parametrize("name", OWN)
def test_nearly_exact_gates_give_nearly_the_same(name: str) -> None:
    network = gated(name)
    for architecture in some(network, 2):
        exact = network.space.one_hot(architecture)
        expected = network(inputs(network), exact)
        differences = []
        for step in (1e-2, 1e-4):
            near = exact + step * (soft(network) - exact)
            differences.append(float((network(inputs(network), near) - expected).detach().abs().max()))
        scale = max(1.0, float(expected.detach().abs().max()))
        # A hundred times nearer, about a hundred times as little; below that is rounding.
        assert 0 < differences[0] < scale and differences[1] < differences[0] / 30 + 1e-5 * scale


def test_gates_have_gradients_where_they_drop() -> None:
    network = gated("residual")
    for architecture in some(network, 2):
        weights = network.space.one_hot(architecture).requires_grad_()
        with as_it_was(network):
            network(inputs(network), weights).square().sum().backward()
        assert weights.grad is not None and weights.grad.isfinite().all()
        reached = weights.grad.any(1)
        # Gates in a branch that is dropped have no slope; what decides over the branch has.
        inside = [row for row, gate in enumerate(network.gates) if "l1" in gate.name and "relu#2" not in gate.name]
        branch = network.space.index("l1.branch")
        assert reached[branch]
        if architecture.options[branch]:
            assert not reached[[row for row in inside if row != branch]].any()


def test_exact_gates_run_only_what_is_needed() -> None:
    network = gates(make("residual"), images())
    ran: list[str] = []
    for name, module in network.body.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    for architecture in some(network):
        ran.clear()
        network(inputs(network), network.space.one_hot(architecture))
        calls = [str(n.target) for n in network.build(architecture).graph.nodes if n.op == "call_module"]
        assert ran == calls
        ran.clear()
        network(inputs(network), network.space.one_hot(architecture).requires_grad_())
        assert ran == [str(n.target) for n in network.graph.nodes if n.op == "call_module"]


@pytest.mark.parametrize(
    "name",
    OWN,
)
def test_keeping_everything_gives_the_users_network_back(name: str) -> None:
    model, network = case(name)
    for built in (network.build(network.whole), network.untouched()):
        close(built(inputs(network)), output(model, inputs(network)))
        assert set(built.state_dict()) == set(model.state_dict())
        assert all(value.equal(model.state_dict()[key]) for key, value in built.state_dict().items())
        built.load_state_dict(model.state_dict())


@pytest.mark.parametrize("name", OWN)
def test_what_is_remembered_survives_training(name: str) -> None:
    model, network = case(name)
    network = copy.deepcopy(network)
    network.remember()
    assert not network.changed()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert set(network.changed()) == {key for key, _ in model.named_parameters()}
    other = copy.deepcopy(gated(name))
    other.load_state_dict(network.state_dict())
    other.recall(network.changed())
    for remembering in (network, copy.deepcopy(network), other):
        close(remembering.untouched()(inputs(network)), output(model, inputs(network)))


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_dropped_stays_in_it(name: str) -> None:
    network = gated(name)
    for architecture in some(network, 2):
        built = network.build(architecture)
        own = dict(network.body.named_parameters())
        found = dict(built.named_parameters())
        assert found.keys() <= own.keys()
        # No record either of the user's code, from which the nodes came.
        assert not any(node.meta for node in built.graph.nodes)
        assert all(p.equal(own[key]) and p.data_ptr() != own[key].data_ptr() for key, p in found.items())
        called = {str(node.target) for node in built.graph.nodes if node.op == "call_module"}
        read = {str(node.target).rpartition(".")[0] for node in built.graph.nodes if node.op == "get_attr"}
        leaves = {key for key, module in built.named_modules() if key and not list(module.children())}
        # What could not be entered has modules of its own.
        assert all(any(f"{key}.".startswith(f"{target}.") for target in called | read) for key in leaves)
        calls = {}
        for node, condition in network._conditions.items():
            if node.op == "call_module":
                calls[node.target] = calls.get(node.target, False) or holds(condition, architecture.options)
        assert {target for target, ran in calls.items() if ran} == called


def test_identities_are_gone() -> None:
    model = lived_in(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Identity(), Switch(), nn.Identity(), nn.ReLU()))
    network = gates(model, images())
    assert [node.target for node in network.graph.nodes if node.op == "call_module"] == list("01234")
    built = network.build(network.whole)
    assert not any(isinstance(module, nn.Identity) for module in built.modules())
    agree(network, network.whole)
    agree(network, network.space.uniform("drop"))


def test_images_run_channels_last() -> None:
    network = gates(Block(16, 32, 2), images(channels=16))
    seen: list[bool] = []
    network.body.conv1.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    given = inputs(network)
    assert not given.is_contiguous(memory_format=torch.channels_last)
    network(given, network.space.one_hot(network.whole))
    network(given, soft(network).requires_grad_())
    assert seen == [True, True]
    filters = [p for module in (network, network.build(network.whole)) for p in module.parameters() if p.dim() == 4]
    assert filters and all(p.is_contiguous(memory_format=torch.channels_last) for p in filters)


def test_dropping_all_that_reads_the_input_gives_the_input() -> None:
    network = gates(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), images())
    nothing = network.space.uniform("drop")
    agree(network, nothing)
    assert network.build(nothing)(images()).equal(images())
    assert not list(network.build(nothing).children())


def test_it_is_a_copy_that_trains() -> None:
    network = gates(make("residual"), images())
    architecture = dropping(network, "l1.branch", "l2.bn2")
    before = copy.deepcopy(network.state_dict())
    built, other = network.build(architecture), network.build(architecture)
    given, target = inputs(network, 8), torch.arange(8)
    logits = other(given)
    optimizer = torch.optim.Adam(built.parameters(), lr=0.02)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(built.train()(given), target)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in built.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert not built.eval()(given).allclose(logits) and other(given).equal(logits)
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", ["residual", "opaque", "vit"])
def test_modes_switch(name: str) -> None:
    network = gated(name)
    for training in (False, True):
        with as_it_was(network, training):
            built = network.build(network.whole)
        assert built.training is training
        leaves = [module for module in built.modules() if not list(module.children())]
        assert {module.training for module in leaves} == {training}
        for mode in (True, False):
            assert {module.training for module in built.train(mode).modules()} == {mode}


def test_all_of_it_is_in_the_mode_of_the_network() -> None:
    built = gated("residual").build(gated("residual").whole)
    assert {module.training for module in built.modules()} == {False}


@pytest.mark.parametrize("name", ["residual", "dense", "shared", "functional", "vit", "convnext", "opaque"])
def test_deepcopy_and_state_dict(name: str) -> None:
    network = gated(name)
    architecture, given = drawn(network.space, 1)[0], inputs(network)
    built = network.build(architecture)
    assert copy.deepcopy(built)(given).equal(built(given))
    stream = io.BytesIO()
    torch.save(built.state_dict(), stream)
    stream.seek(0)
    with as_it_was(network), torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
        other = network.build(architecture)
    assert not other(given).allclose(built(given))
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert other(given).equal(built(given))


@pytest.mark.parametrize("name", ["residual", "functional", "attending", "vit"])
def test_exports_with_any_batch_size(name: str) -> None:
    network = gated(name)
    built = network.build(drawn(network.space, 2, seed=3)[1])
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(built, (inputs(network, 2),), dynamic_shapes=({0: batch},))
    close(exported.module()(inputs(network, 5)), built(inputs(network, 5)))


@pytest.mark.slow
def test_a_pickled_member_runs_where_archdial_is_not(tmp_path: Path) -> None:
    values = []
    for name in TORCH_LEAVES:
        network = gated(name)
        for architecture in (network.whole, *drawn(network.space, 1)):
            module, given = network.build(architecture), inputs(network)
            assert {type(part).__module__.split(".")[0] for part in module.modules()} == {"torch"}
            values.append({"name": name, "module": module, "images": given, "logits": module(given).detach()})
    torch.save(values, tmp_path / "members.pt")
    assert b"archdial" not in (tmp_path / "members.pt").read_bytes()
    code = (
        "import sys, torch; assert 'archdial' not in sys.modules\n"
        "sys.modules['archdial'] = sys.modules['transformers'] = sys.modules['tests'] = None\n"
        "for v in torch.load(sys.argv[1], weights_only=False):\n"
        "    torch.testing.assert_close(v['module'](v['images']), v['logits'], rtol=1e-5, atol=1e-4, msg=v['name'])\n"
        "    assert not any(part.training for part in v['module'].eval().modules())\n"
        "    v['module'].train()(v['images']).sum().backward()\n"
        "print('all ran')"
    )
    env = {"PATH": "", "OMP_NUM_THREADS": "1"}
    done = copied.run(code, tmp_path / "members.pt", check=False, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (0, "all ran\n"), done.stderr


def test_canonical_drops_what_would_not_run() -> None:
    network = gated("residual")
    inside = ("l1.conv1", "l1.bn1", "l1.relu", "l1.conv2", "l1.bn2")
    assert network.canonical(dropping(network, "l1.branch")) == dropping(network, "l1.branch", *inside)
    assert network.canonical(network.whole) == network.whole
    assert network.canonical(network.space.uniform("drop")) == network.space.uniform("drop")


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["residual", "nested", "attending", "shared"]), st.data())
def test_canonical_is_one_name_for_one_graph(name: str, data: st.DataObject) -> None:
    network = gated(name)
    one, two = data.draw(architectures(network)), data.draw(architectures(network))
    graphs = [network.build(a).code for a in (one, network.canonical(one), two)]
    assert graphs[0] == graphs[1] and network.canonical(network.canonical(one)) == network.canonical(one)
    assert (graphs[0] == graphs[2]) == (network.canonical(one) == network.canonical(two))


@pytest.mark.parametrize(
    "name",
    [
        "shared",
        "nested",
    ],
)
def test_an_equal_network_is_made_from_json(name: str) -> None:
    model, network = case(name)
    for made in (network, gates(model, inputs(network), exclude=["activation"], groups={"all": ["branch"]})):
        other = GatedNetwork.from_json(made.to_json(), model)
        assert other.space == made.space and other.to_json() == made.to_json()
        weights = soft(made)
        close(other(inputs(made), weights), made(inputs(made), weights))
    with pytest.raises(UsageError, match="pass model="):
        open_network(network.to_json(), network.state_dict(), None, False, None)


def test_architectures_of_another_space_are_refused() -> None:
    network = gated("residual")
    for options in ((0, 1), (2,) * 16):
        for refuse in (network.build, network.canonical):
            with pytest.raises(UsageError):
                refuse(Architecture(options))


def test_in_a_notebook_too_the_list_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "gates, captured by torch.export" in str(gated("residual"))


@pytest.mark.slow
def test_printing_lists_the_gates() -> None:
    for name in ("residual", "shared", "opaque"):
        network = gated(name)
        lines = str(network).splitlines()
        assert f"{len(network.gates)} gates, captured by torch.{'fx' if name == 'opaque' else 'export'}" in lines[0]
        assert all(len(line) <= 120 for line in lines)
        rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
        whole = weight(network.build(network.whole))
        for gate, row in zip(network.gates, rows, strict=True):
            freed = whole - weight(network.build(dropping(network, gate.name)))
            meaning = "zero" if gate.kind == "branch" else "identity"
            assert row[:4] == [gate.name, gate.kind, meaning, str(len(gate.operations))]
            assert float(row[4]) >= 0 and row[5] == f"{freed:,}"
        assert ("inner could not be traced into and counts as one operation" in lines) is (name == "opaque")
    grouped = str(gates(make("residual"), images(), include=["l1.*"], groups={"block": ["l1.bn*", "l1.branch"]}))
    (row,) = (line for line in grouped.splitlines() if "│ block" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][:4] == ["block", "normalisation", "identity/zero", "3"]


@pytest.mark.parametrize("name", ["residual", "opaque"])
def test_the_gated_network_itself_is_copied(name: str) -> None:
    network = gated(name)
    other = copy.deepcopy(network)
    architecture = drawn(network.space, 1)[0]
    weights, given = network.space.one_hot(architecture), inputs(network)
    assert other(given, weights).equal(network(given, weights))
    assert other.build(architecture)(given).equal(network.build(architecture)(given))


def test_no_gradient_enters_what_is_dropped() -> None:
    network = gated("residual")
    for architecture in (dropping(network, "l1.branch"), *drawn(network.space, 2)):
        with as_it_was(network):
            network(inputs(network), network.space.one_hot(architecture).requires_grad_()).square().sum().backward()
            reached = {name for name, p in network.body.named_parameters() if p.grad is not None}
        assert reached == {name for name, _ in network.build(architecture).named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit", "convnext"])
def test_soft_gates_run_in_mixed_precision(name: str) -> None:
    network = gated(name)
    weights = soft(network).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = network(inputs(network), weights)
    close(result.float(), network(inputs(network), weights), 0.05)


def test_functions_that_write_in_place_are_made_functional_where_traced() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.switch = nn.Conv2d(3, 8, 1), Switch()

        def forward(self, inputs: Tensor) -> Tensor:
            return nn.functional.relu(self.switch(self.conv(inputs)), inplace=True).mean((2, 3))

    network = gates(lived_in(Model()), images())
    agree(network, dropping(network, "relu"))


def test_modules_that_write_to_their_input_leave_it_to_the_gate() -> None:
    class Double(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            inputs *= 2
            return inputs

    network = gates(lived_in(nn.Sequential(nn.Conv2d(3, 8, 1), Double(), nn.ReLU())), images())
    agree(network, network.space.uniform("drop"))
