"""The usual operations, and own ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.networks.cells.operations import (
    BY_DIMENSIONS,
    OPERATIONS,
    FactorizedReduction,
    check_operations,
    make_operation,
    register_operation,
)
from archdial.space import Architecture
from tests.networks.examples import drawn, inputs, tiny

USUAL = (
    "identity",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
SIZES = [(8, 8), (7, 7), (5, 8), (1, 2), (1, 1)]
# Of signals they are called as those of images, with one length of the kernel: sep_conv_3.
USUAL_1D = [re.sub(r"x\d$", "", name) for name in USUAL]


def made(name: str, channels: int, stride: int, dimensions: int = 2) -> nn.Module:
    module = make_operation(name, channels, stride, dimensions)
    assert module is not None
    return module.eval()


@pytest.mark.parametrize("size", [*SIZES, (8,), (7,), (2,), (1,)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("number", range(len(USUAL)), ids=USUAL)
def test_shapes(number: int, stride: int, size: tuple[int, ...]) -> None:
    name = (USUAL_1D, USUAL)[len(size) - 1][number]
    for channels in (4, 5):
        output = made(name, channels, stride, len(size))(torch.randn(2, channels, *size))
        assert output.shape == (2, channels, *(-(-length // stride) for length in size))
        assert output.isfinite().all()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("number", range(1, len(USUAL)), ids=USUAL[1:])
def test_an_operation_of_signals_is_that_of_images_of_one_row(number: int, stride: int) -> None:
    wide, module = made(USUAL[number], 4, stride), made(USUAL_1D[number], 4, stride, 1)
    rows = {
        name: value[:, :, value.shape[2] // 2] if value.dim() == 4 else value
        for name, value in wide.state_dict().items()
    }
    module.load_state_dict(rows)
    signals = torch.randn(2, 4, 9)
    torch.testing.assert_close(module(signals), wide(signals[:, :, None])[:, :, 0])


def test_none_has_no_module() -> None:
    assert make_operation("none", 4, 1) is None
    assert make_operation("none", 4, 2) is None


def test_identity_passes_on() -> None:
    images = torch.randn(2, 4, 5, 5)
    assert made("identity", 4, 1)(images) is images


def test_average_leaves_the_padding_out() -> None:
    torch.testing.assert_close(made("avg_pool_3x3", 2, 1)(torch.ones(1, 2, 4, 5)), torch.ones(1, 2, 4, 5))


@pytest.mark.parametrize("channels", [4, 16])
@pytest.mark.parametrize(
    ("name", "stride", "count"),
    [
        ("identity", 1, lambda c: 0),
        ("identity", 2, lambda c: c * c),
        ("max_pool_3x3", 2, lambda c: 0),
        ("avg_pool_3x3", 1, lambda c: 0),
        ("sep_conv_3x3", 1, lambda c: 2 * (9 * c + c * c)),
        ("sep_conv_5x5", 2, lambda c: 2 * (25 * c + c * c)),
        ("dil_conv_3x3", 1, lambda c: 9 * c + c * c),
        ("dil_conv_3x3", 2, lambda c: 9 * c + c * c),
        ("dil_conv_5x5", 2, lambda c: 25 * c + c * c),
    ],
)
def test_parameters_by_hand(name: str, stride: int, count: Callable[[int], int], channels: int) -> None:
    assert sum(p.numel() for p in made(name, channels, stride).parameters()) == count(channels)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [3, 5])
def test_dilation_at_stride_two_is_that_of_torch(kernel: int, size: tuple[int, int]) -> None:
    module = made(f"dil_conv_{kernel}x{kernel}", 4, 2).double()
    convs = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    assert len(convs) == 2
    usual = nn.Conv2d(4, 4, kernel, 2, 2 * (kernel - 1) // 2, 2, groups=4, bias=False).double()
    usual.load_state_dict(convs[0].state_dict())
    images = torch.randn(2, 4, *size, dtype=torch.float64)
    expected = convs[1](usual(images.relu())) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(module(images), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 5])
def test_dilation_at_stride_one_is_that_of_torch(kernel: int) -> None:
    module = made(f"dil_conv_{kernel}x{kernel}", 4, 1)
    (depthwise,) = [p for p in module.modules() if isinstance(p, nn.Conv2d) and p.groups == 4]
    assert depthwise.dilation == (2, 2)
    assert depthwise.kernel_size == (kernel, kernel)


def test_factorised_reduction_looks_at_every_second_pixel_of_both_kinds() -> None:
    module = FactorizedReduction(1, 2).eval()
    nn.init.ones_(module.even.weight)
    nn.init.ones_(module.odd.weight)
    images = torch.arange(9.0).reshape(1, 1, 3, 3)
    output = module(images)[0] * (1 + 1e-5) ** 0.5
    expected = torch.tensor([[[0.0, 2.0], [6.0, 8.0]], [[4.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(output, expected)


def test_it_looks_at_every_moment_of_a_signal() -> None:
    module = FactorizedReduction(1, 2, dimensions=1).eval()
    nn.init.ones_(module.even.weight)
    nn.init.ones_(module.odd.weight)
    output = module(torch.arange(5.0).reshape(1, 1, 5))[0] * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(output, torch.tensor([[0.0, 2.0, 4.0], [1.0, 3.0, 0.0]]))


class Halved(nn.Module):
    """A user's own operation, with a parameter that is not in a layer of torch."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.5))
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :, :: self.stride, :: self.stride] * self.scale


@pytest.fixture
def own() -> Iterator[str]:
    register_operation("halved")(Halved)
    yield "halved"
    del OPERATIONS["halved"]


def test_own_operation_is_a_choice_and_is_built(own: str) -> None:
    network = tiny(operations=("identity", own, "max_pool_3x3"))
    images = inputs(network)
    for architecture in [network.space.uniform(own), *drawn(network.space, 3)]:
        module = network.build(architecture)
        torch.testing.assert_close(module(images), network(images, network.space.one_hot(architecture)))
        owns = [part for part in module.modules() if isinstance(part, Halved)]
        assert bool(owns) == (1 in architecture.options)
    weights = network.space.one_hot(network.space.uniform(own))
    network(images, weights).sum().backward()
    assert any(p.grad is not None for n, p in network.named_parameters() if n.endswith("halved.scale"))


def test_own_operation_by_the_decorator_of_the_docstring() -> None:
    @register_operation("conv_1x1")
    def conv_1x1(channels: int, stride: int) -> nn.Module:
        return nn.Conv2d(channels, channels, 1, stride)

    try:
        network = tiny(operations=("none", "conv_1x1"))
        all_conv = Architecture((1,) * len(network.space.choices))
        assert network.build(all_conv)(inputs(network)).shape == (3, 5)
    finally:
        del OPERATIONS["conv_1x1"]


def test_own_operation_of_signals() -> None:
    register_operation("conv_1", dimensions=1)(lambda channels, stride: nn.Conv1d(channels, channels, 1, stride))
    try:
        network = tiny(operations=("none", "conv_1"), length=9)
        assert network.build(network.space.uniform("conv_1"))(inputs(network)).shape == (3, 5)
        with pytest.raises(UsageError, match="unknown operation 'conv_1'"):
            tiny(operations=("conv_1",))
    finally:
        del BY_DIMENSIONS[1]["conv_1"]
    with pytest.raises(UsageError, match="dimensions = 3: expected 2, for images, or 1"):
        register_operation("conv_1", dimensions=3)


@pytest.mark.parametrize("name", ["", "a.b", "none", "identity", "pop", "training"])
def test_names_that_cannot_be_registered(name: str) -> None:
    with pytest.raises(UsageError, match="choose another"):
        register_operation(name)(Halved)


def test_the_same_function_may_come_again_as_in_a_cell_of_a_notebook_that_is_run_again(own: str) -> None:
    again = type("Halved", (Halved,), {"__module__": Halved.__module__})
    assert register_operation(own)(again) is OPERATIONS[own] is again
    with pytest.raises(UsageError, match=r"the operation name 'halved' is taken by .*\.Halved: .*Identity"):
        register_operation(own)(nn.Identity)
    for _ in range(2):
        register_operation(own)(again)
    with pytest.raises(UsageError, match="choose another name"):
        register_operation(own)(lambda channels, stride: nn.Identity())
    with pytest.raises(UsageError, match="choose another name"):
        register_operation("max_pool_3x3")(partial(nn.MaxPool2d, 3))


def test_wrong_lists_of_operations() -> None:
    for names in ([], ["identity", "identity"], ["none", "none"]):
        with pytest.raises(UsageError, match="at least one name, all distinct"):
            check_operations(names)
    with pytest.raises(UsageError, match="unknown operation 'sep_conv_3': did you mean 'sep_conv_3x3'"):
        make_operation("sep_conv_3", 4, 1)
    with pytest.raises(UsageError, match="unknown operation 'sep_conv_3x3': did you mean 'sep_conv_3'"):
        make_operation("sep_conv_3x3", 4, 1, dimensions=1)
