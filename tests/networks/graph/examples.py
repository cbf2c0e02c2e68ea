"""Tiny networks of the kinds that users bring, with weights and statistics that are not those of a fresh network."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn import functional as F

from archdial.cost.making.profiling import profile
from archdial.cost.measuring import isolation
from archdial.cost.measuring.parts import distinct
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.runtimes.eager import Eager
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.table import CostTable
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.capture.outputs import chosen
from archdial.networks.graph.conditions import holds
from archdial.space import Architecture, Space


class Block(nn.Module):
    """A residual block as torchvision writes it: activations in place, and so is the addition."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.down = None if channels == out and stride == 1 else shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        result = self.relu(self.bn1(self.conv1(inputs)))
        result = self.bn2(self.conv2(result))
        result += inputs if self.down is None else self.down(inputs)
        return self.relu(result)


class Residual(nn.Module):
    """Two blocks, the second with a convolution on its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.bn = nn.BatchNorm2d(8)
        self.l1, self.l2 = Block(8, 8), Block(8, 16, 2)
        self.fc = nn.Linear(16, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        features = F.relu(self.bn(self.stem(inputs)))
        return self.fc(self.l2(self.l1(features)).mean((2, 3)))


class Dense(nn.Module):
    """Each stage is put beside what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, 1, 1)
        self.b = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3, 1, 1))
        self.c = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.Conv2d(12, 4, 3, 1, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.a(inputs)
        features = torch.cat((features, self.b(features)), 1)
        features = torch.cat((features, self.c(features)), 1)
        return self.fc(features.mean((2, 3)))


class Shared(nn.Module):
    """One convolution that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.sh = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.fc = nn.Linear(8, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.a(inputs)
        features = features + F.relu(self.sh(F.relu(self.sh(features))))
        return self.fc(features.mean((2, 3)))


class Switch(nn.Module):
    """Runs other code for other values, which no graph can hold."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.sum() > 0:
            return self.conv(inputs)
        return self.conv(-inputs)


class Opaque(nn.Module):
    """Cannot be entered at `inner`."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.bn, self.inner = nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), Switch()
        self.fc = nn.Linear(8, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.bn(self.a(inputs))
        return self.fc((features + self.inner(features)).mean((2, 3)))


class Switched(nn.Module):
    """Cannot be captured at all."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.sum() > 0:
            return self.a(inputs)
        return self.a(-inputs)


class Functional(nn.Module):
    """Functions in place of modules, a parameter of its own, and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 10)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        fading = torch.linspace(0.5, 1.5, inputs.shape[-1])
        features = F.relu(self.stem(inputs)) * fading
        features = features + F.gelu(self.conv(F.relu(features))) * self.scale
        features = F.max_pool2d(features, 3, 1, 1)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(features, 1), 1))


class Literal(nn.Module):
    """Has a constant that is written in the code as a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.conv(inputs)) * (torch.linspace(0.5, 1.5, inputs.shape[-1]) * torch.tensor([2.0]))


class Encoder(nn.Module):
    """A layer of torch's own transformer: attention that puts the sequence before the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.fc = nn.Linear(8, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc(self.layer(self.patches(inputs).flatten(2).transpose(1, 2)).mean(1))


class Attending(nn.Module):
    """Attention whose query comes from a convolution that serves nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.before = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(3, 8, 4, 4)
        self.query, self.value, self.fc = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens, asking = (layer(inputs).flatten(2).transpose(1, 2) for layer in (self.patches, self.before))
        value = self.value(tokens)
        attended = F.scaled_dot_product_attention(self.query(asking), value, value)
        return self.fc((tokens + attended).mean(1))


class Nested(nn.Module):
    """A branch within a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.first, self.inner = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        outer = self.stem(inputs)
        middle = self.first(outer)
        middle = middle + torch.tanh(self.inner(middle))
        return self.fc((outer + middle).mean((2, 3)))


def _transformers(model: str, config: str, **settings: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        library = pytest.importorskip("transformers")
        made: nn.Module = getattr(library, f"{model}ForImageClassification")(getattr(library, config)(**settings))
        return made

    return make


_CLASSES: dict[str, Any] = {"num_labels": 10}
_RESNET: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], **_CLASSES}


def _mobilenet() -> nn.Module:
    """The first six blocks of MobileNetV2, which has no setting for its depth."""
    plan = {"depth_multiplier": 0.35, "image_size": 32, "classifier_dropout_prob": 0.0, **_CLASSES}
    model = _transformers("MobileNetV2", "MobileNetV2Config", **plan)()
    body: Any = model.mobilenet_v2
    body.layer = body.layer[:6]
    body.conv_1x1.convolution = nn.Conv2d(24, 1280, 1, bias=False)
    return model


OWN: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "dense": Dense,
    "shared": Shared,
    "opaque": Opaque,
    "functional": Functional,
    "attending": Attending,
    "nested": Nested,
    "encoder": Encoder,
}
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "resnet": _transformers("ResNet", "ResNetConfig", layer_type="basic", **_RESNET),
    "bottleneck": _transformers("ResNet", "ResNetConfig", layer_type="bottleneck", **_RESNET),
    "convnext": _transformers(
        "ConvNextV2", "ConvNextV2Config", hidden_sizes=[8, 16], depths=[1, 2], num_stages=2, image_size=32, **_CLASSES
    ),
    "mobilenet": _mobilenet,
    "vit": _transformers(
        "ViT",
        "ViTConfig",
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        **_CLASSES,
    ),
}
NETWORKS = {**OWN, **OTHERS}


def size_of(name: str) -> int:
    return 32 if name in OTHERS else 16


def images(size: int = 16, batch: int = 3, seed: int = 1, channels: int = 3) -> Tensor:
    return torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(seed))


def inputs(network: GatedNetwork, batch: int = 3, seed: int = 1) -> Tensor:
    channels, size, _ = shape_of(network.example)
    return images(size, batch, seed, channels)


def lived_in(model: nn.Module, seed: int = 0) -> nn.Module:
    """Move every parameter and every statistic away from where a fresh network has it; in eval mode."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return model.eval()


def make(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return lived_in(NETWORKS[name](), seed)


@functools.cache
def case(name: str) -> tuple[nn.Module, GatedNetwork]:
    """A network and its gates, for tests that leave both as they were."""
    model = make(name)
    return model, gates(model, images(size_of(name), 2))


def gated(name: str) -> GatedNetwork:
    return case(name)[1]


def output(model: nn.Module, images: Tensor) -> Tensor:
    return chosen(model(images))


@contextmanager
def as_it_was(network: nn.Module, training: bool = False) -> Iterator[None]:
    """Run in a mode, and put mode, type, parameters, statistics and gradients back."""
    mode, state = network.training, copy.deepcopy(network.state_dict())
    try:
        network.train(training).zero_grad()  # the network is shared: another test may have left gradients
        yield
    finally:
        network.float().load_state_dict(state)
        network.train(mode).zero_grad()


def close(given: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Assert a difference of at most `tolerance`, relative to the largest value where that is above 1."""
    assert expected.isfinite().all()
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(given, expected, rtol=0.0, atol=tolerance * scale)


def drawn(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random(generator) for _ in range(count)]


def some(network: GatedNetwork, count: int = 4, seed: int = 0) -> list[Architecture]:
    """At random, all kept, and all dropped."""
    return [*drawn(network.space, count, seed), network.whole, network.space.uniform("drop")]


def architectures(network: GatedNetwork) -> st.SearchStrategy[Architecture]:
    number = len(network.space.choices)
    return st.lists(st.integers(0, 1), min_size=number, max_size=number).map(lambda o: Architecture(tuple(o)))


def dropping(network: GatedNetwork, *names: str) -> Architecture:
    """Keep everything but the gates of these names."""
    options = list(network.whole.options)
    for name in names:
        options[network.space.index(name)] = 1
    return Architecture(tuple(options))


def kept(network: GatedNetwork, architecture: Architecture) -> list[int]:
    taken = network.space.describe(architecture).values()
    return [row for row, option in enumerate(taken) if option == "keep"]


def soft(network: GatedNetwork, seed: int = 0) -> Tensor:
    keep = torch.rand(len(network.gates), generator=torch.Generator().manual_seed(seed))
    return torch.stack((keep, 1 - keep), 1)


def surviving(network: GatedNetwork, architecture: Architecture) -> list[fx.Node]:
    """The nodes of the network's graph that are in the graph of what is built."""
    names = {node.name for node in network.build(architecture).graph.nodes}
    return [node for node in network.graph.nodes if node.name in names]


def grain_of(network: GatedNetwork, architecture: Architecture, node: fx.Node) -> int:
    """At which pixels a node runs: every one, every second and so on."""
    found = (grain for grain, needed in network._needs[node].items() if holds(needed, architecture.options))
    return next(found, 1)


def is_coarse(network: GatedNetwork, architecture: Architecture) -> bool:
    """Whether something is computed at some pixels only."""
    return any(grain_of(network, architecture, node) > 1 for node in surviving(network, architecture))


def weight(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def counted(network: GatedNetwork, batch_size: int = 1) -> CostTable:
    """The table that `profile` makes, but for the clock: every part takes one millisecond; no layers are made one."""

    def fake(runtime: Runtime, subjects: Iterable[tuple[str, Any]], **_: object) -> list[Timing]:
        found = []
        for _, converted in subjects:
            with runtime.ready():
                runtime.load(converted)()
            found.append(Timing(1.0, 0.0))
        return found

    with patch.object(isolation, "timings", fake):
        return unmerged(profile(network, batch_size=batch_size, networks=0))


def unmerged(table: CostTable) -> CostTable:
    """The table by which each layer stays one."""
    terms = [replace(term, entries=tuple(replace(e, merged=None) for e in term.entries)) for term in table.terms]
    return replace(table, terms=tuple(terms))


def measured(network: GatedNetwork, batch_size: int) -> dict[str, list[Tensor]]:
    """What each part is run on when it is measured, by its key."""
    seen: list[list[Tensor]] = []

    def convert(_: Eager, module: nn.Module, *examples: Tensor) -> object:
        seen.append(list(examples))
        return nn.Identity(), examples[:1]

    with patch.object(Eager, "convert", convert):
        counted(network, batch_size)
    return dict(zip([part.key for part in distinct(network.terms())], seen, strict=True))


STEPS = ("conv", "norm", "relu", "act", "pool", "add", "iadd", "gated", "cat", "shared", "scale", "attention")
Plan = tuple[tuple[str, int], ...]


class Program(nn.Module):
    """Steps that read the value before them, some of them an earlier one too: nothing in it is dead."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.stem, self.head = nn.Conv2d(3, 4, 3, 1, 1), nn.Linear(4, 3)
        self.layers = nn.ModuleDict()
        makers = {
            "conv": lambda: nn.Conv2d(4, 4, 3, 1, 1),
            "norm": lambda: nn.BatchNorm2d(4),
            "act": nn.SiLU,
            "pool": lambda: nn.AvgPool2d(3, 1, 1),
            "cat": lambda: nn.Conv2d(8, 4, 1),
            "scale": lambda: nn.ParameterList([torch.ones(4, 1, 1)]),
        }
        for number, (step, _) in enumerate(plan):
            if step in makers:
                self.layers[f"{step}{number}"] = makers[step]()
        if any(step == "shared" for step, _ in plan):
            self.shared = nn.Conv2d(4, 4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        values = [self.stem(inputs)]
        for number, (step, back) in enumerate(self.plan):
            values.append(self._step(number, step, values[-1], values[max(0, len(values) - 1 - back)]))
        return self.head(values[-1].mean((2, 3)))

    def _step(self, number: int, step: str, last: Tensor, other: Tensor) -> Tensor:
        name = f"{step}{number}"
        if step == "cat":
            return self.layers[name](torch.cat((last, other), 1))
        if step == "scale":
            return last * self.layers[name][0]
        if name in self.layers:
            return self.layers[name](last)
        if step == "iadd":
            result = last * 0.5
            result += other
            return result
        if step == "attention":
            query, value = (tensor.flatten(2).transpose(1, 2) for tensor in (other, last))
            attended = F.scaled_dot_product_attention(query, value, value)
            return attended.transpose(1, 2).reshape(last.shape)
        results = {"relu": F.relu, "shared": lambda value: self.shared(value)}
        if step in results:
            return results[step](last)
        return last + other if step == "add" else last * torch.sigmoid(other)


PLANS = (
    (("iadd", 0), ("cat", 1), ("gated", 3), ("scale", 0), ("add", 4), ("act", 0)),
    (("shared", 0), ("conv", 0), ("add", 1), ("shared", 0), ("norm", 0), ("add", 3)),
    (("norm", 0), ("attention", 1), ("add", 2), ("conv", 0), ("gated", 2)),
    (("conv", 0), ("act", 0), ("add", 1), ("conv", 0), ("add", 4), ("attention", 0)),
    (("pool", 0), ("conv", 0), ("cat", 2), ("relu", 0), ("iadd", 2), ("add", 1), ("scale", 0)),
)


@functools.cache
def programmed(plan: Plan) -> GatedNetwork:
    torch.manual_seed(0)
    # Something in it can be dropped at any rate.
    return gates(lived_in(Program((*plan, ("relu", 0)))), images(6, 2))


def programs() -> st.SearchStrategy[GatedNetwork]:
    """Networks of random steps; most are from a few that are captured once, as to capture one takes a while."""
    steps = st.tuples(st.sampled_from(STEPS), st.integers(0, 4))
    drawn_anew = st.lists(steps, min_size=2, max_size=6).map(tuple)
    known = st.sampled_from(PLANS)
    return st.integers(0, 3).flatmap(lambda die: known if die else drawn_anew).map(programmed)
