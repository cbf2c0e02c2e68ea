"""The order of images in memory: channels last, but for networks that oneDNN would corrupt memory for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archdial.networks.backbones import resnet20
from archdial.networks.cells.cell_plan import CellPlan
from archdial.networks.cells.network import CellNetwork
from archdial.networks.graph import gates
from archdial.networks.layout import laid_out, lay_out, layout
from tests import copied


def pointwise(channels: int, *, stride: int = 1, kernel: int = 1, groups: int = 1) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 8, kernel, stride=stride, groups=groups))


@pytest.mark.parametrize(
    "network",
    [
        pointwise(16, stride=2),
        pointwise(4),
        pointwise(4, stride=2, kernel=3),
        resnet20(16),
        CellNetwork(CellPlan(3, 10)),
    ],
)
def test_networks_run_channels_last(network: nn.Module) -> None:
    assert layout(network) is torch.channels_last


@pytest.mark.parametrize(
    "network",
    [
        pointwise(4, stride=2),
        pointwise(15, stride=2),
        pointwise(16, stride=2, groups=2),
        resnet20(2),
        resnet20(8),
        CellNetwork(CellPlan(3, 10, channels=2, operations=("identity", "max_pool_3x3"))),
    ],
)
def test_a_strided_pointwise_convolution_of_few_channels_keeps_them_first(network: nn.Module) -> None:
    assert layout(network) is torch.contiguous_format


def test_weights_and_images_are_put_into_one_order() -> None:
    network = resnet20(2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = lay_out(network)
    images = torch.zeros(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert all(weight.is_contiguous() for weight in network.parameters())
    assert laid_out(images, order).is_contiguous() and not images.is_contiguous()
    assert laid_out(torch.zeros(2, 3), order).shape == (2, 3)


def test_an_image_of_one_channel_tells_its_order_by_its_strides() -> None:
    grey = torch.zeros(2, 1, 8, 8).to(memory_format=torch.channels_last)
    for order in (torch.contiguous_format, torch.channels_last):
        laid = laid_out(grey, order)
        after = nn.Conv2d(1, 4, 3)(laid)
        assert laid.equal(grey) and after.is_contiguous(memory_format=order)


@pytest.mark.slow
def test_such_networks_can_be_trained_whatever_order_their_images_come_in() -> None:
    network = gates(resnet20(2), torch.zeros(1, 3, 8, 8))
    images = torch.randn(30, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    weights = network.space.one_hots([network.whole])[0]
    for _ in range(5):
        network(images, weights).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.slow
def test_they_can_be_on_several_threads_too() -> None:
    """In a process of its own: it died of this with AVX-512."""
    code = """
import torch
from torch import nn
from archdial.networks.layout import laid_out, lay_out
torch.set_num_threads(2)
for channels in (8, 15):
    network = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 16, 1, stride=2))
    order = lay_out(network)
    for _ in range(20):
        network(laid_out(torch.randn(3, 3, 16, 16), order)).square().sum().backward()
"""
    copied.run(code)
