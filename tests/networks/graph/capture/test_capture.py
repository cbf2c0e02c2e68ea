"""Capturing: the graph computes what the network computes, and the network is left as it was."""

from __future__ import annotations

import copy
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdial.common.errors import UsageError
from archdial.networks.calling import Calling
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.capture import capture
from archdial.networks.graph.capture.by_tracing import traced
from archdial.networks.graph.capture.leaves import is_torch_leaf
from tests.networks.graph.examples import (
    NETWORKS,
    OWN,
    Literal,
    Residual,
    Switch,
    Switched,
    as_it_was,
    case,
    close,
    gated,
    images,
    inputs,
    lived_in,
    make,
    output,
    size_of,
)


def whole(network: GatedNetwork) -> Tensor:
    return network.space.one_hot(network.whole)


class Returning(nn.Module):
    """Gives the output of a network inside something."""

    def __init__(self, wrap: Callable[[Tensor], Any], network: type[nn.Module] = Residual) -> None:
        super().__init__()
        self.network, self.wrap = network(), wrap

    def forward(self, inputs: Tensor) -> Any:
        return self.wrap(self.network(inputs))


class Written(nn.Module):
    """A convolution before code that is given, and a linear layer after it."""

    def __init__(self, code: Callable[[Written, Tensor], Tensor], features: int = 8) -> None:
        super().__init__()
        self.code = code
        self.conv, self.other, self.relu = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(inplace=True)
        self.fc = nn.Linear(features, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc(self.code(self, inputs))


@dataclass
class Answer:
    """Has logits, as what transformers return."""

    hidden: Tensor
    logits: Tensor


torch.utils._pytree.register_dataclass(Answer)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_originals_at_any_batch_size(name: str) -> None:
    model, network = case(name)
    for batch in (1, 2, 5):
        given = inputs(network, batch)
        close(network(given, whole(network)), output(model, given))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_the_originals(name: str) -> None:
    model, network = copy.deepcopy(case(name)[0]).double().train(), gated(name)
    given = inputs(network, 5).double()
    with as_it_was(network, training=True):
        network.double()
        torch.manual_seed(3)
        expected = output(model, given)
        torch.manual_seed(3)
        close(network(given, whole(network)), expected, 1e-7)
        own, state = network.body.state_dict(), model.state_dict()
        for key, value in state.items():
            torch.testing.assert_close(own[key], value, msg=key)
        moved = [key for key, value in case(name)[0].state_dict().items() if not value.equal(state[key].to(value))]
        assert all(key.rpartition(".")[2] in {"running_mean", "running_var", "num_batches_tracked"} for key in moved)
        assert bool(moved) is any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_has_the_originals_gradient(name: str) -> None:
    model, network = copy.deepcopy(case(name)[0]), gated(name)
    given = inputs(network, 4)
    with as_it_was(network):
        output(model, given).square().sum().backward()
        network(given, whole(network).requires_grad_()).square().sum().backward()
        for (key, own), user in zip(network.body.named_parameters(), model.parameters(), strict=True):
            assert own.grad is not None and user.grad is not None, key
            close(own.grad, user.grad, 1e-4)
        assert sum(bool(user.grad.any()) for user in model.parameters()) > 0.8 * len(list(model.parameters()))


@pytest.mark.parametrize("name", NETWORKS)
def test_names_are_the_users(name: str) -> None:
    model, network = case(name)
    assert [n for n, _ in network.named_parameters()] == [f"body.{n}" for n, _ in model.named_parameters()]
    own, state = network.body.state_dict(), model.state_dict()
    assert list(own) == list(state)
    assert all(own[key].equal(state[key]) for key in state)
    assert not any(own[key].data_ptr() == state[key].data_ptr() for key in state)
    model = copy.deepcopy(model)
    model.load_state_dict(own)


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("residual", False),
        ("residual", True),
        ("dense", True),
        ("shared", False),
        ("functional", True),
        ("opaque", True),
    ],
)
def test_the_users_network_is_left_as_it_was(name: str, training: bool) -> None:
    model, seen = make(name).train(training), []
    first = next(iter(model.parameters()))
    first.requires_grad_(False)
    model.register_forward_hook(lambda *_: seen.append(1))

    def state() -> list[Any]:
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
        flags = [(m.training, getattr(m, "inplace", None), sorted(vars(m)), type(m)) for m in model.modules()]
        layout = [(p.stride(), p.requires_grad, p.grad, p.data_ptr()) for p in model.parameters()]
        return [hooks, flags, layout]

    before, values = state(), copy.deepcopy(model.state_dict())
    given = images(size_of(name), 2)
    example = given.clone()
    network = gates(model, example)
    assert example.equal(given)
    assert state() == before
    assert network.training is training and next(iter(network.parameters())).requires_grad is False
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network.train()(example, whole(network))
    assert all(value.equal(values[key]) for key, value in model.state_dict().items())
    if name in {"residual", "dense"}:
        assert any(getattr(module, "inplace", False) for module in model.modules())
        assert not any(getattr(module, "inplace", False) for module in network.modules())


def test_submodules_keep_their_own_modes() -> None:
    model = Residual().train()
    model.l1.eval()
    before = [module.training for module in model.modules()]
    gates(model, images())
    assert [module.training for module in model.modules()] == before


def test_networks_are_exported_unless_values_decide() -> None:
    assert {name: (gated(name).how, gated(name).opaque) for name in OWN} == {
        **dict.fromkeys(OWN, ("export", ())),
        "opaque": ("trace", ("inner",)),
    }


@pytest.mark.parametrize("name", ["resnet", "bottleneck", "convnext", "mobilenet", "vit"])
def test_networks_of_transformers_are_exported(name: str) -> None:
    assert (gated(name).how, gated(name).opaque) == ("export", ())


def test_the_innermost_module_that_cannot_be_entered_is_opaque() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(nn.ReLU(), Switch()), nn.Sequential(Switch(), nn.ReLU()))
    network = gates(lived_in(model), images())
    assert (network.how, network.opaque) == ("trace", ("1.1", "2.0"))
    assert [gate.name for gate in network.gates] == ["1.0", "1.1", "2.0", "2.1"]
    for sign in (1, -1):
        given = sign * images().abs()
        close(network(given, whole(network)), model(given))


def test_leaf_modules_are_calls_and_functions_are_nodes() -> None:
    graph = gated("residual").graph
    targets = [node.target for node in graph.nodes if node.op == "call_module"]
    leaves = [name for name, module in Residual().named_modules() if name and not list(module.children())]
    assert set(targets) == set(leaves)
    assert targets.count("l1.relu") == 2
    assert not any(node.op == "get_attr" for node in graph.nodes)
    assert {str(node.target) for node in graph.nodes if node.op == "call_function"} == {
        "aten.relu.default",
        "aten.add.Tensor",
        "aten.mean.dim",
    }


def test_modules_of_the_user_without_others_inside_are_calls() -> None:
    targets = {str(node.target) for node in gated("convnext").graph.nodes if node.op == "call_module"}
    assert any(target.endswith(".grn") for target in targets)


def test_constants_are_folded_and_move_with_the_network() -> None:
    network = gates(make("functional"), images())
    constants = {name: buffer for name, buffer in network.named_buffers() if "constant" in name}
    (fading,) = constants.values()
    torch.testing.assert_close(fading, torch.linspace(0.5, 1.5, 16))
    assert not any("linspace" in str(node.target) for node in network.graph.nodes if node.op != "get_attr")
    assert not constants.keys() & network.state_dict().keys()
    given, weights = inputs(network), whole(network)
    expected = network(given, weights)
    close(network.double()(given.double(), weights).float(), expected)
    built = network.build(network.whole)
    assert {buffer.dtype for buffer in built.buffers()} == {torch.float64}
    close(built(given.double()).float(), expected)
    network.to("meta")
    assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"meta"}
    assert network(given.double().to("meta"), weights).device.type == "meta"
    assert network.build(network.whole)(given.double().to("meta")).device.type == "meta"


def test_constants_written_as_tensors_are_folded_too() -> None:
    network = gates(lived_in(Literal()), images())
    (held,) = (node for node in network.graph.nodes if node.op == "get_attr")
    torch.testing.assert_close(getattr(network.body, str(held.target)), 2 * torch.linspace(0.5, 1.5, 16))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: {"hidden": value + 1, "logits": value},
        lambda value: (value,),
        lambda value: Answer(value + 1, value),
    ],
)
def test_the_output_may_be_the_logits_of_something(wrap: Callable[[Tensor], Any]) -> None:
    model = lived_in(Returning(wrap))
    network = gates(model, images())
    assert network.how == "export"
    close(network(images(), whole(network)), model.network(images()))


@pytest.mark.parametrize("wrap", [lambda value: {"hidden": value + 1, "logits": value}, lambda value: (value,)])
def test_the_output_of_a_traced_network_too(wrap: Callable[[Tensor], Any]) -> None:
    model = lived_in(Returning(wrap, NETWORKS["opaque"]))
    network = gates(model, images())
    assert (network.how, network.opaque) == ("trace", ("network.inner",))
    close(network(images(), whole(network)), model.network(images()))


@pytest.mark.parametrize("batch", [1, 4])
def test_one_example_is_enough(batch: int) -> None:
    model = make("residual")
    network = gates(model, images(batch=batch))
    assert shape_of(network.example) == (3, 16, 16)
    for size in (16, 11, 24):
        given = images(size, 3)
        close(network(given, whole(network)), model(given))


def test_inputs_need_not_be_images() -> None:
    words = nn.Sequential(nn.Embedding(20, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.Flatten(), nn.Linear(48, 3))
    for model, example in (
        (words, torch.randint(20, (3, 6))),
        (nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2)), torch.randn(3, 5)),
        (nn.Sequential(nn.Conv1d(2, 2, 3, 1, 1), nn.BatchNorm1d(2)), torch.randn(3, 2, 7)),
    ):
        network = gates(lived_in(model), example)
        assert len(network.gates) == 2 and shape_of(network.example) == example.shape[1:]
        close(network(example, whole(network)), model(example))


def test_dropout_layers_drop_as_in_the_original() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)).train()
    network, given = gates(model, torch.randn(3, 8)), torch.randn(5, 8)
    torch.manual_seed(3)
    expected = model(given)
    torch.manual_seed(3)
    close(network(given, whole(network)), expected)
    assert not network(given, whole(network)).equal(expected)
    assert [gate.name for gate in network.gates] == ["1"]


@pytest.mark.parametrize("model", [3, None, F.relu, Residual])
def test_what_is_no_module_is_refused(model: Any) -> None:
    with pytest.raises(UsageError, match=f"a model of type {type(model).__name__}: expected a torch.nn.Module"):
        gates(model, images())


@pytest.mark.parametrize("example", [None, [1.0], (3, 16, 16), torch.tensor(1.0), torch.zeros(0, 3, 16, 16)])
def test_what_is_no_batch_is_refused(example: Any) -> None:
    with pytest.raises(UsageError, match="expected one tensor, a tuple of tensors, or a dict of tensors by the names"):
        gates(Residual(), example)


@pytest.mark.parametrize("training", [False, True])
def test_an_example_that_the_network_refuses_is_named_with_its_shape_and_line(training: bool) -> None:
    model = Residual().train(training)
    with pytest.raises(UsageError) as caught:
        gates(model, images(channels=4))
    text = str(caught.value)
    assert "Residual fails on the example input of shape (3, 4, 16, 16), torch.float32" in text
    assert f"{line_of(Residual, 'self.bn(self.stem')}, `features = F.relu(self.bn(self.stem(inputs)))`" in text
    assert all(module.training is training for module in model.modules())


def line_of(network: type[nn.Module], code: str) -> str:
    lines, first = inspect.getsourcelines(network)
    (number,) = (first + place for place, line in enumerate(lines) if code in line)
    return f"{inspect.getsourcefile(network)}:{number}"


def test_a_network_that_no_graph_can_hold_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError) as caught:
        gates(Switched(), torch.randn(3, 4))
    text = str(caught.value)
    assert "Switched cannot be captured as a graph: it depends on values at" in text
    assert f"{line_of(Switched, 'if inputs.sum()')}, `if inputs.sum() > 0:`" in text
    assert "Move that code into a submodule, which then stays one operation" in text and "torch.export: " in text


class Counting(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input).view(len(input), -1)


def test_len_of_a_tensor_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"`return .*`: len\(\) of a tensor; use \.shape\[0\] instead"):
        gates(Counting(4, 2), torch.randn(3, 4))


def test_code_that_gives_other_values_in_a_graph_is_refused() -> None:
    calls = []

    def counting(model: Written, inputs: Tensor) -> Tensor:
        calls.append(1)
        return model.conv(inputs).mean((2, 3)) * len(calls)

    with pytest.raises(
        UsageError,
        match=r"Written is not deterministic in evaluation mode: it draws random numbers or caches results",
    ):
        gates(Written(counting), images())


@pytest.mark.parametrize("how", ["export", "trace"])
def test_in_place_code_of_the_network_is_made_functional(how: str) -> None:
    def code(model: Written, inputs: Tensor) -> Tensor:
        features = model.conv(inputs)
        # Nobody takes the result: who reads the features later reads what was written.
        features.mul_(2)
        before = features
        features = torch.relu(model.other(features))
        features += before
        before.add_(1.0).clamp_(-3, 3)
        return torch.relu(model.switch(features) + before).mean((2, 3))

    model = Written(code)
    model.switch = Switch() if how == "trace" else nn.Conv2d(8, 8, 1)
    network = gates(lived_in(model), images())
    functions = [str(getattr(node.target, "__name__", node.target)) for node in network.graph.nodes]
    assert [name.split(".")[0] for name in functions if name.split(".")[0] in IN_PLACE] == IN_PLACE
    assert not any(name.split(".")[0].endswith("_") for name in functions)
    close(network(images(), whole(network)), model(images()))
    close(network.build(network.whole)(images()), model(images()))


IN_PLACE = ["mul", "relu", "add", "add", "clamp", "add", "relu", "mean"]


@pytest.mark.parametrize("batch", ["size", "rest"])
def test_features_may_be_flattened_by_a_view(batch: str) -> None:
    def code(model: Written, inputs: Tensor) -> Tensor:
        features = F.max_pool2d(F.relu(model.conv(inputs)), 4)
        return features.view(features.size(0), -1) if batch == "size" else features.view(-1, 128)

    model = lived_in(Written(code, 128))
    network = gates(model, images())
    close(network(images(), whole(network)), model(images()))


def test_a_network_may_write_to_its_input() -> None:
    def code(model: Written, inputs: Tensor) -> Tensor:
        inputs -= 0.5
        return model.other(model.conv(inputs)).mean((2, 3))

    model = lived_in(Written(code))
    network = gates(model, images())
    close(network(images(), whole(network)), model(images()))


def test_what_an_activation_wrote_in_place_may_be_read_again() -> None:
    def code(model: Written, inputs: Tensor) -> Tensor:
        features = model.conv(inputs)
        return (features + model.other(model.relu(features))).mean((2, 3))

    model = lived_in(Written(code))
    network = gates(model, images())
    close(network(images(), whole(network)), model(images()))


class Auxiliary(nn.Module):
    """Computes what is then not asked for."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm, self.inner = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), inner
        self.head = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        features = self.inner(self.conv(inputs))
        return {"logits": self.norm(features).mean((2, 3)), "hidden": self.head(features)}


@pytest.mark.parametrize(("inner", "how"), [(nn.ReLU, "export"), (Switch, "trace")])
def test_what_serves_no_output_is_no_operation(inner: type[nn.Module], how: str) -> None:
    network = gates(lived_in(Auxiliary(inner())), images())
    assert network.how == how
    assert [gate.name for gate in network.gates] == ["inner", "norm"]


class Beside(nn.Module):
    """Whose forward waits for a thread that calls something else."""

    def __init__(self, other: nn.Module, given: Tensor) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.other, self.given, self.seen = [other], given, []

    def forward(self, inputs: Tensor) -> Tensor:
        thread = threading.Thread(target=lambda: self.seen.append(self.other[0](self.given)))
        thread.start()
        thread.join()
        return self.fc(inputs)


def test_tracing_leaves_what_another_thread_calls_alone() -> None:
    other, given = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval(), torch.randn(4, 2)
    expected = other(given)
    model = Beside(other, given)
    # What a network keeps while it is traced is taken out of it again.
    seen = model.seen
    graph, opaque = traced(model, Calling(), None, is_torch_leaf)
    assert [node.target for node in graph.nodes if node.op == "call_module"] == ["fc"] and not opaque
    assert len(seen) == 1 and seen[0].equal(expected) and model.seen == []


@pytest.mark.slow
def test_one_thread_captures_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, exported = [], [], capture.exported

    @contextmanager
    def counted() -> Iterator[None]:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        yield
        inside.pop()

    def slow(*arguments: Any, **options: Any) -> Any:
        with counted():
            return exported(*arguments, **options)

    monkeypatch.setattr(capture, "exported", slow)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda seed: gates(make("shared", seed), images()), range(3)))
    assert max(most) == 1
    assert [len(network.gates) for network in made] == [len(gated("shared").gates)] * 3
