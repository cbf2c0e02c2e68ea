"""Networks that take several tensors, by position or by name, integers among them, and give several."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.cost.making.counting import count
from archdial.networks.example import Inputs
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.capture.capture import BATCH
from archdial.networks.graph.capture.outputs import tensors_of
from archdial.space import Architecture
from tests.networks.graph.examples import lived_in

TOKENS = torch.randint(0, 20, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]])


@dataclass
class Answer:
    """What a network gives by name; caches are no tensors."""

    logits: Tensor
    boxes: Tensor
    cache: Any = None


class Tagger(nn.Module):
    """Tokens with a mask, and an option of its call; a dataclass out."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(20, 8), nn.Embedding(16, 8)
        self.mix, self.act, self.norm = nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8)
        self.head, self.boxes = nn.Linear(8, 4), nn.Linear(8, 2)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, cached: bool = True) -> Answer:
        features = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        features = self.norm(features + self.act(self.mix(features)))
        if mask is not None:
            features = features * mask[..., None]
        pooled = features.mean(1)
        return Answer(self.head(pooled), self.boxes(pooled), [features] if cached else None)


class Joined(nn.Module):
    """Two tensors in, a pair out."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.act = nn.Linear(5, 5), nn.Linear(5, 5), nn.ReLU()
        self.head, self.other = nn.Linear(5, 3), nn.Linear(5, 1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        features = self.act(self.left(left) + self.right(right))
        return self.head(features), self.other(features)


class Volumes(nn.Module):
    """Convolutions of three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.act = nn.Conv3d(1, 4, 3, 1, 1), nn.Conv3d(4, 4, 3, 1, 1), nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.act(self.second(self.first(inputs))).mean((2, 3, 4)))


class Recurrent(nn.Module):
    """A recurrent layer gives more than is used."""

    def __init__(self, kind: type[nn.Module] = nn.LSTM) -> None:
        super().__init__()
        self.tokens, self.layer = nn.Embedding(20, 8), kind(8, 8, batch_first=True)
        self.mix, self.act, self.head = nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        features, _ = self.layer(self.tokens(tokens))
        return self.head(self.act(self.mix(features[:, -1])))


LEFT, RIGHT = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
BY_NAME: dict[str, Any] = {"tokens": TOKENS, "mask": MASK, "cached": False}
CASES: dict[str, tuple[Callable[[], nn.Module], Inputs, dict[str, Any]]] = {
    "by name": (Tagger, BY_NAME, {}),
    "by name, both outputs": (Tagger, {"tokens": TOKENS, "mask": MASK}, {"outputs": ("logits", "boxes")}),
    "tokens alone": (Tagger, TOKENS, {}),
    "by position": (Joined, (LEFT, RIGHT), {}),
    "volumes": (Volumes, torch.randn(3, 1, 4, 5, 6, generator=torch.Generator().manual_seed(2)), {}),
    "lstm": (Recurrent, TOKENS, {}),
    "gru": (lambda: Recurrent(nn.GRU), TOKENS, {}),
}


@functools.cache
def case(name: str) -> tuple[nn.Module, Inputs, GatedNetwork]:
    """For tests that change neither the model nor its gates."""
    make, example, options = CASES[name]
    torch.manual_seed(0)
    model = lived_in(make()).eval()
    return model, example, gates(model, example, **options)


def given(model: nn.Module, example: Inputs) -> Any:
    with torch.no_grad():
        if isinstance(example, dict):
            return model(**example)
        return model(*example) if isinstance(example, tuple) else model(example)


def expected(result: Any, network: GatedNetwork) -> list[Tensor]:
    if isinstance(result, Answer):
        return [getattr(result, name) for name in network.outputs or ("logits",)]
    return tensors_of(result)


@pytest.mark.parametrize("name", CASES)
def test_the_whole_network_computes_what_the_model_does(name: str) -> None:
    model, example, network = case(name)
    wanted = expected(given(model, example), network)
    for own in (
        network(example, network.space.one_hot(network.whole)),
        given(network.untouched(), by_form(network, example)),
    ):
        for found, user in zip(tensors_of(own), wanted, strict=True):
            torch.testing.assert_close(found, user, atol=1e-5, rtol=0)
    assert list(network.body.state_dict()) == list(model.state_dict())


def by_form(network: GatedNetwork, example: Inputs) -> Inputs:
    """What a built member takes: the constants of a call are in it."""
    return network.calling.tree(network.calling.flat(example))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
def test_a_member_computes_what_the_gates_do(name: str) -> None:
    _, example, network = case(name)
    for seed in range(3):
        drawn = network.space.random(torch.Generator().manual_seed(seed))
        with torch.no_grad():
            under = network(example, network.space.one_hot(drawn))
        built = given(network.build(drawn), by_form(network, example))
        assert type(built) is type(under)
        for one, other in zip(tensors_of(built), tensors_of(under), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_its_plan_makes_it_again(name: str) -> None:
    model, example, network = case(name)
    again = GatedNetwork.from_json(json.loads(json.dumps(network.to_json())), model)
    assert again.to_json() == network.to_json()
    weights = network.space.one_hot(network.whole)
    for one, other in zip(tensors_of(again(example, weights)), tensors_of(network(example, weights)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", CASES)
def test_every_parameter_is_in_the_terms(name: str) -> None:
    model, _, network = case(name)
    parts = [part for plan in network.terms() for part in plan.under(("keep",) * len(plan.choices))]
    owned = {id(parameter): parameter.numel() for part in parts for parameter in part.module.parameters()}
    used = sum(parameter.numel() for parameter in network.build(network.whole).parameters())
    assert sum(owned.values()) == used
    assert used <= sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_what_takes_the_place_of_an_operation_has_the_whole_batch(name: str) -> None:
    _, example, network = case(name)
    for gate in network.gates:
        for operation in gate.operations:
            assert operation.passes.meta[BATCH] == operation.node.meta[BATCH], gate.name
    for number in range(len(network.gates)):
        alone = Architecture(tuple(int(place == number) for place in range(len(network.gates))))
        assert len(tensors_of(network(example, network.space.one_hot(alone)))[0]) == len(
            network.calling.flat(example)[0]
        )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_counted(kind: type[nn.Module]) -> None:
    gates_of = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind]
    layer = kind(8, 6, batch_first=True)
    assert count(layer, (5, 8)).flops == 2 * 5 * gates_of * 6 * (8 + 6)


def test_outputs_that_are_left_out_are_said() -> None:
    _, _, network = case("tokens alone")
    assert network.left_out == ("boxes", "cache")
    assert "outputs omitted: boxes, cache; select the ones you need with outputs=(…)" in str(network)


@pytest.mark.parametrize(
    ("example", "options", "told"),
    [
        ({"tokens": TOKENS, "mask": [1]}, {}, "mask in the example is .*type int.*flatten nested inputs"),
        (
            {"tokens": TOKENS},
            {"outputs": ("masks",)},
            "no tensor output named 'masks': the network has logits",
        ),
        ({"words": TOKENS}, {}, "Tagger fails on the example input {words: of shape .*unexpected keyword"),
        ({}, {}, "an example {}: expected one tensor"),
    ],
)
def test_wrong_calls(example: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        gates(Tagger().eval(), example, **options)


@pytest.mark.parametrize("inputs", [TOKENS, {"tokens": TOKENS}, (TOKENS, MASK)])
def test_inputs_of_another_form_are_refused(inputs: Any) -> None:
    _, _, network = case("by name")
    with pytest.raises(
        UsageError, match=r"for a network that takes a dict of tokens, mask: pass inputs like its example"
    ):
        network(inputs, network.space.one_hot(network.whole))


def test_labels_beside_the_inputs_are_passed_over() -> None:
    _, example, network = case("by name")
    weights = network.space.one_hot(network.whole)
    assert network({**example, "labels": TOKENS[:, 0]}, weights).equal(network(example, weights))  # type: ignore[dict-item]


def longer(example: dict[str, Any], length: int) -> dict[str, Any]:
    return {**example, "tokens": TOKENS[:, torch.arange(length) % 6], "mask": torch.ones(3, length, dtype=torch.long)}


@pytest.mark.parametrize("length", [2, 5, 11])
def test_members_run_at_other_lengths(length: int) -> None:
    model, example, network = case("by name")
    other = longer(dict(example), length)  # type: ignore[arg-type]
    wanted = expected(given(model, other), network)
    under = network(other, network.space.one_hot(network.whole))
    for own in (under, given(network.untouched(), by_form(network, other))):
        torch.testing.assert_close(own, wanted[0], atol=1e-5, rtol=0)


def test_costs_at_another_length_are_those_of_that_length() -> None:
    _, _, network = case("by name")
    other = network.at({"tokens": (12,), "mask": (12,)})
    assert other.example["tokens"].shape == (1, 12) and network.example["tokens"].shape == (1, 6)  # type: ignore[index,call-overload]

    def flops(of: GatedNetwork) -> int:
        parts = [part for plan in of.terms() for part in plan.under(("keep",) * len(plan.choices))]
        return sum(count(part.module, part.input_shape, part.inputs).flops for part in parts)

    heads = 2 * 8 * 4
    assert flops(other) - heads == 2 * (flops(network) - heads), "all but the head works on each token"
    assert other.space.fingerprint == network.space.fingerprint


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({"words": (4,)}, "unknown input 'words'.*known: tokens, mask"),
        ({"tokens": (4, 4)}, "shape .4, 4. for an input .6,.: expected as many sizes"),
        ({"tokens": (20,), "mask": (20,)}, "the network does not run at .*index out of range"),
        ({"tokens": (9,)}, "the network does not run at"),
    ],
)
def test_shapes_that_cannot_be(shapes: Any, told: str) -> None:
    _, _, network = case("by name")
    with pytest.raises(UsageError, match=told):
        network.at(shapes)


class Judged(Tagger):
    """Takes labels too, as Hugging Face's models do."""

    def forward(self, tokens: Tensor, mask: Tensor | None = None, labels: Tensor | None = None) -> Answer:  # type: ignore[override]
        answer = super().forward(tokens, mask, cached=False)
        return answer if labels is None else Answer(answer.logits, answer.boxes * labels.sum())


def test_a_batch_is_an_example_as_it_comes() -> None:
    network = gates(lived_in(Judged()).eval(), {"tokens": TOKENS, "mask": MASK, "labels": TOKENS[:, 0]})
    assert network.calling.names == ("tokens", "mask")


def test_a_network_that_cannot_do_without_what_is_called_a_target_is_given_it() -> None:
    class Paired(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix, self.act = nn.Linear(5, 5), nn.ReLU()

        def forward(self, x: Tensor, target: Tensor) -> Tensor:
            return self.act(self.mix(x + target))

    assert gates(Paired().eval(), {"x": LEFT, "target": RIGHT}).calling.names == ("x", "target")
