"""Groups are those that one would name, and networks that are cut give what they give masked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archdial.networks.graph.capture import capture as capturing
from archdial.networks.graph.widths.cut import cut
from tests.networks.graph.widths.networks import CASES, IMAGES, SERIES, Shuffled, block
from tests.networks.graph.widths.running import found_in, largest_difference, sliced


def drawn(module: nn.Module) -> nn.Module:
    """Give normalisation statistics and weights that differ from channel to channel."""
    for one in module.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.normal_(one.weight), nn.init.normal_(one.bias)
            one.running_mean.normal_(), one.running_var.uniform_(0.5, 1.5)
    return module


def _without_export(*_: Any, **__: Any) -> None:
    raise ValueError("not now")


@pytest.mark.parametrize("name", CASES)
def test_groups_and_equality(name: str) -> None:
    make, example, expected = CASES[name]
    captured, widths = found_in(drawn(make()), example)
    assert [(group.kind, group.units, group.places) for group in widths.groups] == expected
    assert largest_difference(captured, widths, example, trials=5) < 1e-5


@pytest.mark.parametrize("name", ["a chain", "a shuffle", "a split", "attention by products", "a gated unit by slices"])
def test_traced_graphs_are_followed_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "exported", _without_export)
    make, example, expected = CASES[name]
    captured, widths = found_in(drawn(make()), example)
    assert captured.how == "trace"
    assert [(group.kind, group.units, group.places) for group in widths.groups] == expected
    assert largest_difference(captured, widths, example, trials=5) < 1e-5


def test_a_module_that_shuffles() -> None:
    captured, widths = found_in(drawn(Shuffled(module=True)), IMAGES)
    assert [(group.units, group.places) for group in widths.groups] == [(12, 2), (12, 1)]
    assert largest_difference(captured, widths, IMAGES) < 1e-5


class Odd(nn.Module):
    """A module that nobody knows: it works on each channel by itself, or mixes them."""

    def __init__(self, *, mixes: bool) -> None:
        super().__init__()
        self.mixes, self.scale = mixes, nn.Parameter(torch.rand(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale / (x.norm(dim=1, keepdim=True) if self.mixes else 2)


@pytest.mark.parametrize("mixes", [False, True])
def test_unknown_modules_are_tried(mixes: bool) -> None:
    model = nn.Sequential(block(3, 8), Odd(mixes=mixes), block(8, 6), nn.Flatten(), nn.Linear(6 * 256, 2))
    captured, widths = found_in(model, IMAGES)
    assert [group.units for group in widths.groups] == ([6] if mixes else [8, 6])
    assert largest_difference(captured, widths, IMAGES) < 1e-5


def test_unknown_modules_are_tried_on_more_than_zeros() -> None:
    model = nn.Sequential(block(3, 8), Odd(mixes=True), nn.Conv2d(8, 2, 1))
    nn.init.zeros_(model[0][1].weight)
    nn.init.ones_(model[0][1].bias)
    assert found_in(model, IMAGES)[1].groups == ()


class Tied(nn.Module):
    """One embedding for what goes in and what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.first, self.second = nn.Embedding(20, 16), nn.Linear(16, 24), nn.Linear(24, 16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.second(self.first(x).relu()))


def test_streams_are_found_only_where_asked_for() -> None:
    tokens = torch.randint(0, 20, (2, 7))
    assert [group.name for group in found_in(Tied(), tokens)[1].groups] == ["first"]
    captured, widths = found_in(Tied(), tokens, streams=True)
    assert [(group.name, group.kind) for group in widths.groups] == [("embed", "stream"), ("first", "linear")]
    assert largest_difference(captured, widths, tokens) < 1e-5


def test_streams_are_normalised_by_what_is_kept() -> None:
    make, example, expected = CASES["attention by function"]
    captured, widths = found_in(make(), example, streams=True)
    kinds = [(group.kind, group.units, group.places) for group in widths.groups]
    assert kinds == [("stream", 32, 1), *expected]
    assert largest_difference(captured, widths, example, trials=5) < 1e-5


def test_outputs_of_the_network_are_fixed() -> None:
    assert found_in(nn.Sequential(nn.Linear(10, 8), nn.ReLU()), SERIES)[1].groups == ()


def test_gradients_and_statistics_reach_the_whole_network() -> None:
    make, example, _ = CASES["concatenation"]
    captured, widths = found_in(drawn(make()), example)
    counts = [(group.units + 1) // 2 for group in widths.groups]
    before = {name: value.clone() for name, value in captured.root.named_buffers()}
    captured.root.train()
    (output,) = sliced(captured, widths, [example], counts)
    output.sum().backward()
    weight = captured.root.get_parameter("stem.0.weight").grad
    assert weight is not None and weight[:4].abs().sum() > 0 and not weight[4:].any()
    after = dict(captured.root.named_buffers())
    changed = (after["norm.running_mean"] != before["norm.running_mean"]).tolist()
    assert changed == [unit < (size + 1) // 2 for size in (8, 6, 6, 6) for unit in range(size)]


def test_cut_modules_say_what_they_are() -> None:
    captured, widths = found_in(drawn(CASES["groups"][0]()), IMAGES)
    counts = [group.units // 2 for group in widths.groups]
    seen = {}
    for node, held in widths.held.items():
        seen[str(node.target)] = cut(captured.root.get_submodule(str(node.target)), held, counts)
    conv, norm = seen["branch.1.0"], seen["norm"]
    assert (conv.in_channels, conv.out_channels, conv.groups) == (16, 16, 4)
    assert (norm.num_groups, norm.num_channels) == (2, 8)


def test_widths_of_a_copied_graph() -> None:
    captured, widths = found_in(drawn(CASES["a chain"][0]()), IMAGES)
    graph, copies = torch.fx.Graph(), {}
    graph.output(graph.graph_copy(captured.graph, copies))
    moved = widths.moved(copies)
    for node, copy in copies.items():
        assert moved.touched(copy) == widths.touched(node)
        assert moved.axes.get(copy) == widths.axes.get(node)


@pytest.mark.slow
def test_networks_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    tokens = torch.randint(5, 90, (2, 12))
    cases = {
        "BertForSequenceClassification": (transformers.BertConfig(vocab_size=100, **sizes), tokens, [4, 48, 4, 48, 32]),
        "LlamaForCausalLM": (
            transformers.LlamaConfig(vocab_size=100, num_key_value_heads=2, **sizes), tokens, [2, 48, 2, 48],
        ),
        "ViTForImageClassification": (
            transformers.ViTConfig(image_size=16, patch_size=4, **sizes), IMAGES, [4, 48, 4, 48],
        ),
        "ConvNextForImageClassification": (
            transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2), IMAGES, [32, 64],
        ),
    }  # fmt: skip
    for name, (config, example, units) in cases.items():
        captured, widths = found_in(getattr(transformers, name)(config), example)
        assert [group.units for group in widths.groups] == units, name
        assert largest_difference(captured, widths, example) < 1e-5, name
