"""What is read only at some pixels is computed only there: strides, slices, and what stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdial.networks.backbones import resnet18
from archdial.networks.graph import GatedNetwork, gates
from archdial.networks.graph.grain import GRAIN
from tests.networks.graph.examples import drawn
from tests.networks.graph.test_pricing import compare, expected_cost, flops


class Stage(nn.Module):
    """A layer before a block that halves: a convolution of 3×3 beside a shortcut that reads every `stride`-th pixel."""

    def __init__(self, stride: int = 2, kernel: int = 1) -> None:
        super().__init__()
        self.before = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.wide = nn.Conv2d(4, 8, 3, stride, padding=1)
        self.shortcut = nn.Conv2d(4, 8, kernel, stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.before(x)) + x)
        return F.relu(self.wide(x) + self.shortcut(x)).mean((2, 3))


class Twice(Stage):
    """Two such blocks, the second directly behind the first."""

    def __init__(self) -> None:
        super().__init__()
        self.wider = nn.Conv2d(8, 8, 3, 2, padding=1)
        self.short = nn.Conv2d(8, 8, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        x = self.wide(x) + self.shortcut(x)
        return (self.wider(x) + self.short(x)).mean((2, 3))


class Shared(Stage):
    """One convolution called twice: before the block, and far behind it."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        y = self.wide(y) + self.shortcut(y)
        return y.mean((2, 3)) + self.before(x).mean((2, 3)).repeat(1, 2)


def gated(model: nn.Module, size: int = 9) -> GatedNetwork:
    torch.manual_seed(0)
    return gates(model.eval(), torch.randn(2, 4, size, size))


def built(network: GatedNetwork, *dropped: str) -> nn.Module:
    options = tuple(int(gate.name in dropped) for gate in network.gates)
    assert sum(options) == len(dropped), [gate.name for gate in network.gates]
    return network.build(type(network.whole)(options)).eval()


def strides(module: nn.Module) -> dict[str, int]:
    return {name: part.stride[0] for name, part in module.named_modules() if isinstance(part, nn.Conv2d)}


@pytest.mark.parametrize("size", [8, 9])
def test_what_only_the_shortcut_reads_is_computed_where_it_reads(size: int) -> None:
    network = gated(Stage(), size)
    assert strides(built(network)) == {"before": 1, "wide": 2, "shortcut": 2}
    assert strides(built(network, "wide.branch")) == {"before": 2, "shortcut": 1}


def test_chains_of_shortcuts() -> None:
    network = gated(Twice(), 16)
    assert strides(built(network, "wider.branch")) == {"before": 1, "wide": 4, "shortcut": 4, "short": 1}
    assert strides(built(network, "wide.branch", "wider.branch")) == {"before": 4, "shortcut": 1, "short": 1}


@pytest.mark.parametrize(
    "make", [lambda: Stage(stride=3), lambda: Stage(kernel=3), Shared], ids=["thirds", "3x3", "shared"]
)
def test_what_cannot_be_thinned_stays(make: Callable[[], nn.Module]) -> None:
    network = gated(make())
    assert strides(built(network, "wide.branch"))["before"] == 1


def test_a_network_that_is_coarse_by_itself_stays_the_users() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 1, 2), nn.AvgPool2d(3))
    network = gated(model)
    assert strides(built(network)) == {"0": 1, "2": 2} == strides(built(network, "1"))
    assert not any(GRAIN in node.meta for node in network.graph.nodes if node.target in ("0", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("make", [Stage, Twice, lambda: resnet18(4, in_channels=4)], ids=["stage", "twice", "resnet18"])
def test_members_compute_the_same_and_cost_what_they_run(make: Callable[[], nn.Module]) -> None:
    network = gated(make(), 32)
    images = torch.randn(2, 4, 32, 32)
    saved = 0
    for architecture in (network.whole, network.space.uniform("drop"), *drawn(network.space, 12)):
        member = network.build(architecture).eval()
        with torch.no_grad():
            wanted = network.eval()(images, network.space.one_hot(architecture))
            torch.testing.assert_close(member(images), wanted, atol=1e-5, rtol=1e-4)
        compare(network, architecture)
        assert expected_cost(network, "flops").of(architecture) == flops(network, architecture)
        saved += strides(member) != {n: s for n, s in strides(network.body).items() if n in strides(member)}
    assert saved
