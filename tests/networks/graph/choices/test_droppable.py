"""Which operations of a network may be dropped, what they are called, and what dropping them means."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdial.common.errors import UsageError
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choosing import choices
from tests.networks.graph.examples import Switch, close, dropping, gated, images, inputs, lived_in


def operations(network: GatedNetwork) -> list[Operation]:
    return [operation for gate in network.gates for operation in gate.operations]


def table(network: GatedNetwork) -> list[tuple[str, str, str]]:
    return [(o.name, o.kind, o.meaning) for o in operations(network)]


def names(network: GatedNetwork, kind: str | None = None) -> list[str]:
    return [o.name for o in operations(network) if kind in {None, o.kind}]


def operation(network: GatedNetwork, name: str) -> Operation:
    (found,) = (o for o in operations(network) if o.name == name)
    return found


class Formula(nn.Module):
    """A function of what two convolutions give, the second after the first."""

    def __init__(self, formula: Callable[[Formula, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula
        self.stem, self.conv, self.norm = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.position = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.stem(inputs)
        return self.formula(self, first, self.conv(first))


def written(formula: Callable[[Formula, Tensor, Tensor], Tensor]) -> GatedNetwork:
    return gates(lived_in(Formula(formula)), images(8))


def test_the_residual_network_has_its_layers_and_a_branch_for_each_block() -> None:
    normalisation, activation = ("normalisation", "identity"), ("activation", "identity")
    convolution, branch = ("convolution", "identity"), ("branch", "zero")
    assert table(gated("residual")) == [
        ("bn", *normalisation),
        ("relu", *activation),
        ("l1.conv1", *convolution),
        ("l1.bn1", *normalisation),
        ("l1.relu", *activation),
        ("l1.conv2", *convolution),
        ("l1.bn2", *normalisation),
        ("l1.branch", *branch),
        ("l1.relu#2", *activation),
        # A first convolution with stride changes the shape, and stays.
        ("l2.bn1", *normalisation),
        ("l2.relu", *activation),
        ("l2.conv2", *convolution),
        ("l2.bn2", *normalisation),
        ("l2.down.1", *normalisation),
        ("l2.branch", *branch),
        ("l2.relu#2", *activation),
    ]


def test_an_operation_passes_on_its_input_and_a_branch_what_it_is_added_to() -> None:
    network = gated("residual")
    passes = {name: str(operation(network, name).passes.target) for name in names(network)}
    assert passes["bn"] == "stem" and passes["l1.bn2"] == "l1.conv2" and passes["l2.down.1"] == "l2.down.0"
    assert operation(network, "l1.branch").passes is operation(network, "relu").node
    assert operation(network, "l2.branch").passes is operation(network, "l2.down.1").node
    assert all(o.passes in o.node.all_input_nodes for o in operations(network))
    assert {o.name for o in operations(network) if o.is_branch} == {"l1.branch", "l2.branch"}


@pytest.mark.parametrize("swapped", [False, True])
def test_the_longer_of_two_operands_is_the_branch(swapped: bool) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.short = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
            self.long = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8))

        def forward(self, inputs: Tensor) -> Tensor:
            features = self.stem(inputs)
            first, second = self.short(features), self.long(features)
            return second + first if swapped else first + second

    network = gates(lived_in(Two()), images(8))
    assert names(network, "branch") == ["long.branch"]
    assert str(operation(network, "long.branch").passes.target) == "short"
    body, given = network.body, inputs(network)
    close(network.build(dropping(network, "long.branch"))(given), body.short(body.stem(given)))


@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_computed_from_the_other_operand_is_the_branch(swapped: bool) -> None:
    def formula(network: Formula, first: Tensor, second: Tensor) -> Tensor:
        # The other operand has more of its own: what comes before it is its alone.
        before = torch.tanh(torch.tanh(torch.tanh(first)))
        after = network.norm(before)
        return before + after if swapped else after + before

    network = written(formula)
    (found,) = (o for o in operations(network) if o.is_branch)
    assert found.name == "norm.branch"
    assert found.passes is operation(network, "tanh#3").node


def test_dense_and_shared_networks() -> None:
    assert table(gated("dense")) == [
        ("b.0", "normalisation", "identity"),
        ("b.1", "activation", "identity"),
        ("c.0", "normalisation", "identity"),
        ("c.1", "activation", "identity"),
    ]
    assert table(gated("shared")) == [
        ("sh", "convolution", "identity"),
        ("relu", "activation", "identity"),
        ("sh#2", "convolution", "identity"),
        ("relu#2", "activation", "identity"),
        ("branch", "branch", "zero"),
    ]


def test_a_module_that_is_called_twice_is_two_operations() -> None:
    network = gated("shared")
    first, second = operation(network, "sh"), operation(network, "sh#2")
    assert first.node is not second.node
    assert first.node.target == second.node.target == "sh"
    body, given = network.body, inputs(network)
    features = body.a(given)
    for name, inner in (
        ("sh", lambda value: F.relu(body.sh(F.relu(value)))),
        ("sh#2", lambda value: F.relu(F.relu(body.sh(value)))),
    ):
        expected = body.fc((features + inner(features)).mean((2, 3)))
        close(network.build(dropping(network, name))(given), expected)


def test_branches_of_the_transformer_are_its_layers_and_not_its_positions() -> None:
    network = gated("vit")
    layers = [f"vit.layers.{number}" for number in range(2)]
    assert names(network, "branch") == [f"{layer}.branch{second}" for layer in layers for second in ("", "#2")]
    assert names(network, "attention") == [f"{layer}.attention:scaled_dot_product_attention" for layer in layers]
    additions = [node for node in network.graph.nodes if "aten.add" in str(node.target)]
    assert len(additions) == 5
    parts = Counter(o.kind for o in operations(network))
    assert parts == {"normalisation": 5, "linear": 8, "attention": 2, "branch": 4, "activation": 2}


def test_attention_passes_on_its_values() -> None:
    network = gated("attending")
    found = operation(network, "scaled_dot_product_attention")
    assert found.passes is found.node.args[2] is operation(network, "value").node
    vit = gated("vit")
    for o in operations(vit):
        if o.kind == "attention":
            assert o.passes is o.node.args[2] and o.passes is not o.node.args[0]


def test_networks_of_transformers() -> None:
    kinds = Counter(o.kind for o in operations(gated("convnext")))
    # A normalisation with another name, and one on the way between stages.
    assert kinds == {"normalisation": 3 * 2 + 3, "convolution": 3, "activation": 3, "branch": 3}
    assert {o.kind for o in operations(gated("convnext")) if o.name.endswith("grn")} == {"normalisation"}
    for name, blocks in (("resnet", 2), ("bottleneck", 2), ("mobilenet", 3)):
        assert len(names(gated(name), "branch")) == blocks
        assert names(gated(name), "other") == names(gated(name), "opaque") == []
    shortcut = operation(gated("resnet"), "resnet.encoder.stages.1.layers.0.layer.branch")
    assert "shortcut" in str(shortcut.passes.target)


def test_what_could_not_be_entered_is_one_operation() -> None:
    assert table(gated("opaque")) == [
        ("bn", "normalisation", "identity"),
        ("inner", "opaque", "identity"),
        ("inner.branch", "branch", "zero"),
    ]


def test_functions_are_named_by_the_module_in_whose_code_they_stand() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, 1, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            return torch.tanh(self.conv(F.relu(inputs))) + inputs

    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(Inner(), Inner()))
    assert names(gates(lived_in(model), images(8)))[:4] == ["1.0:relu", "1.0.conv", "1.0:tanh", "1.0.branch"]
    traced = gates(lived_in(nn.Sequential(*model, Switch())), images(8))
    assert names(traced) == [
        *(f"1.{block}{name}" for block in (0, 1) for name in (":relu", ".conv", ":tanh", ".branch")),
        "2",
    ]
    assert names(gated("functional")) == ["relu", "relu#2", "conv", "gelu", "branch", "max_pool2d"]


@pytest.mark.parametrize(
    ("module", "shape", "kind"),
    [
        (nn.Conv1d(4, 4, 3, padding=1), (4, 6), "convolution"),
        (nn.Conv3d(4, 4, 1), (4, 2, 3, 3), "convolution"),
        (nn.ConvTranspose2d(4, 4, 1), (4, 3, 3), "convolution"),
        (nn.BatchNorm1d(4), (4,), "normalisation"),
        (nn.GroupNorm(2, 4), (4, 3, 3), "normalisation"),
        (nn.LayerNorm(4), (6, 4), "normalisation"),
        (nn.InstanceNorm2d(4), (4, 3, 3), "normalisation"),
        (nn.PReLU(), (4,), "activation"),
        (nn.Hardswish(), (4,), "activation"),
        (nn.Softmax(-1), (4,), "activation"),
        (nn.MaxPool2d(3, 1, 1), (4, 5, 5), "pooling"),
        (nn.AdaptiveAvgPool2d(5), (4, 5, 5), "pooling"),
        (nn.Linear(4, 4), (4,), "linear"),
        (nn.PixelShuffle(1), (4, 5, 5), "other"),
        (nn.Conv2d(4, 4, 3, 2, 1), (4, 5, 5), None),
        (nn.Linear(4, 6), (4,), None),
        (nn.MaxPool2d(2), (4, 5, 5), None),
        (nn.Identity(), (4,), None),
        (nn.Dropout(0.5), (4,), None),
        (nn.Flatten(), (4,), None),
    ],
)
def test_kinds_of_modules(module: nn.Module, shape: tuple[int, ...], kind: str | None) -> None:
    # The last layer is there to be found where nothing else is.
    network = gates(nn.Sequential(module, nn.Sigmoid()).eval(), torch.rand(2, *shape))
    expected = [("1", "activation")] if kind is None else [("0", kind), ("1", "activation")]
    assert [(o.name, o.kind) for o in operations(network)] == expected


def test_modules_of_the_user_by_their_base_or_their_name() -> None:
    class Doubled(nn.Conv2d):
        def forward(self, inputs: Tensor) -> Tensor:
            return 2 * super().forward(inputs)

    class Mine(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs * inputs.sigmoid()

    def called(name: str) -> nn.Module:
        module: nn.Module = type(name, (Mine,), {})()
        return module

    model = nn.Sequential(Doubled(3, 3, 1), *(called(n) for n in ("SimpleRMSNorm", "MyGRN", "QuickActivation", "Gate")))
    kinds = ["convolution", "normalisation", "normalisation", "activation", "other"]
    network = gates(model, images(8))
    assert [(o.name, o.kind) for o in operations(network)] == [(str(n), kind) for n, kind in enumerate(kinds)]


FUNCTIONS: dict[Callable[[Tensor], Tensor], tuple[str, str] | None] = {
    F.relu: ("relu", "activation"),
    lambda v: v.relu(): ("relu#2", "activation"),
    torch.sigmoid: ("sigmoid", "activation"),
    F.hardswish: ("hardswish", "activation"),
    F.silu: ("silu", "activation"),
    lambda v: F.max_pool2d(v, 3, 1, 1): ("max_pool2d", "pooling"),
    lambda v: F.avg_pool2d(v, 3, 1, 1): ("avg_pool2d", "pooling"),
    lambda v: F.layer_norm(v, (8, 8)): ("layer_norm", "normalisation"),
    lambda v: F.group_norm(v, 2): ("group_norm", "normalisation"),
    lambda v: F.scaled_dot_product_attention(v, v, v): ("scaled_dot_product_attention", "attention"),
    torch.exp: None,
    lambda v: v * 2: None,
    lambda v: v.flatten(1).reshape(v.shape): None,
    F.gelu: ("gelu", "activation"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("last", "how"), [(nn.Conv2d(8, 8, 1), "export"), (Switch(), "trace")])
def test_kinds_of_functions(last: nn.Module, how: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 8, 1), last

        def forward(self, inputs: Tensor) -> Tensor:
            features = self.conv(inputs)
            for function in FUNCTIONS:
                features = function(features)
            return self.last(features)

    network = gates(lived_in(Model()), images(8))
    assert network.how == how
    found = [(o.name, o.kind) for o in operations(network)]
    assert found[:-1] == [named for named in FUNCTIONS.values() if named is not None]
    assert found[-1] == ("last", "opaque" if how == "trace" else "convolution")


@pytest.mark.parametrize(
    "formula",
    [
        lambda network, first, second: first - second,
        lambda network, first, second: first * second,
        lambda network, first, second: torch.add(first, second, alpha=2),
        lambda network, first, second: second + 1.0,
        lambda network, first, second: second + network.position,
        lambda network, first, second: network.position + second,
        lambda network, first, second: first + second.mean((2, 3), keepdim=True),
        lambda network, first, second: second + second.mean((2, 3), keepdim=True),
    ],
)
def test_what_is_no_branch(formula: Callable[[Formula, Tensor, Tensor], Tensor]) -> None:
    assert table(written(formula)) == [("conv", "convolution", "identity")]


@pytest.mark.parametrize(
    "formula",
    [
        lambda network, first, second: first + second,
        lambda network, first, second: second + first,
        lambda network, first, second: torch.add(first, second),
        lambda network, first, second: first.add(second),
        lambda network, first, second: first.add_(second),
        lambda network, first, second: second.__iadd__(first),
    ],
)
def test_ways_to_write_a_branch(formula: Callable[[Formula, Tensor, Tensor], Tensor]) -> None:
    network = written(formula)
    assert table(network) == [("conv", "convolution", "identity"), ("conv.branch", "branch", "zero")]
    assert str(operation(network, "conv.branch").passes.target) == "stem"


def test_an_operand_that_others_read_too_is_no_branch() -> None:
    network = written(lambda network, first, second: torch.cat((first + second, second), 1))
    assert names(network) == ["conv"]


def test_a_network_in_which_nothing_can_be_dropped_is_refused() -> None:
    message = "nothing in this network can be dropped: no operation keeps its shape, and no branch ends in an addition"
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Flatten())
    for put in (gates, functools.partial(choices, width=None)):
        with pytest.raises(UsageError, match=message):
            put(model, images(8))
