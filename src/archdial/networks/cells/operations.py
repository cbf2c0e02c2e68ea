"""Candidate operations of a cell by their usual names (DARTS, Liu et al. 2019, section 3.1.1), and how to add one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from archdial.common.errors import UsageError, unknown

OperationFactory = Callable[[int, int], nn.Module]
"""(channels, stride) → a module from (n, channels, h, w) to (n, channels, ⌈h/stride⌉, ⌈w/stride⌉)."""

OPERATIONS: dict[str, OperationFactory] = {}

NONE = "none"
"""The option that contributes nothing; it has no module and no cost."""


def register_operation(name: str) -> Callable[[OperationFactory], OperationFactory]:
    """Register an own operation under `name`; afterwards a cell plan may list it.

        @register_operation("conv_1x1")
        def conv_1x1(channels, stride):
            return nn.Conv2d(channels, channels, 1, stride)

    Raises:
        UsageError: the name is taken (`keys` and the like by torch), empty, or holds a dot (it becomes part of
            parameter names).
    """
    if not name or "." in name or name == NONE or name in OPERATIONS or hasattr(nn.ModuleDict(), name):
        raise UsageError(f"operation name {name!r} is taken, empty or holds a dot: choose another")

    def register(factory: OperationFactory) -> OperationFactory:
        OPERATIONS[name] = factory
        return factory

    return register


def make_operation(name: str, channels: int, stride: int) -> nn.Module | None:
    """Return the operation called `name`, or None for `none`."""
    if name == NONE:
        return None
    check_operations([name])
    return OPERATIONS[name](channels, stride)


def check_operations(names: Sequence[str]) -> None:
    """Raise UsageError unless every name is registered, or `none`, and none stands twice."""
    for name in names:
        if name != NONE and name not in OPERATIONS:
            raise unknown("operation", name, [NONE, *OPERATIONS])
    if not names or len(set(names)) != len(names):
        raise UsageError(f"operations {list(names)}: expected distinct names, at least one")


MOST_MODULES = 50_000
"""Operations of a supernet, each a module of its own: a hundred times the largest of the papers'."""


def check_modules(count: int, what: str) -> None:
    """Raise UsageError where a supernet, as `what` has it, would hold more than MOST_MODULES operations."""
    if count > MOST_MODULES:
        raise UsageError(f"{what}: {count:,} operations, a supernet may hold {MOST_MODULES:,}; choose smaller numbers")


class FactorizedReduction(nn.Module):
    """Halve height and width by two shifted 1×1 convolutions of stride 2, so that no pixel is skipped."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool = False) -> None:
        super().__init__()
        half = channels_out // 2
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, channels_out, ⌈h/2⌉, ⌈w/2⌉)."""
        active = self.relu(inputs)
        joined = torch.cat((self.even(active), self.odd(self.shifted(active))), dim=1)
        return self.norm(joined)  # type: ignore[no-any-return]

    @staticmethod
    def shifted(active: Tensor) -> Tensor:
        """Return (n, c, h, w) moved up and left by one pixel, with zeros at the far end."""
        # Odd sizes then give two halves of one size. Cut off rather than padded by -1, which not every runtime can.
        return functional.pad(active[:, :, 1:, 1:], (0, 1, 0, 1))


@register_operation("identity")
def identity(channels: int, stride: int) -> nn.Module:
    """Pass on the input; with stride 2 a factorised reduction."""
    return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels)


@register_operation("skip_connect")
def skip_connect(channels: int, stride: int) -> nn.Module:
    """Return what NAS-Bench-201 calls the identity."""
    return identity(channels, stride)


def _convolution(channels: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(channels, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))


@register_operation("nor_conv_1x1")
def nor_conv_1x1(channels: int, stride: int) -> nn.Module:
    """Return an activation, a 1×1 convolution and a normalisation, as NAS-Bench-201 has it."""
    return _convolution(channels, 1, stride)


@register_operation("nor_conv_3x3")
def nor_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Return an activation, a 3×3 convolution and a normalisation, as NAS-Bench-201 has it."""
    return _convolution(channels, 3, stride)


@register_operation("max_pool_3x3")
def max_pool_3x3(channels: int, stride: int) -> nn.Module:
    """Return 3×3 max pooling."""
    return nn.MaxPool2d(3, stride, padding=1)


@register_operation("avg_pool_3x3")
def avg_pool_3x3(channels: int, stride: int) -> nn.Module:
    """Return 3×3 average pooling that leaves the padding out of the mean."""
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


class Subsample(nn.Module):
    """Keep every second pixel of every second row."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, ⌈h/2⌉, ⌈w/2⌉)."""
        return inputs[:, :, ::2, ::2]


def _depthwise_separable(channels: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel - 1) // 2
    depthwise = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
    return [
        nn.ReLU(),
        depthwise,
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=False),
    ]


def _separable_twice(channels: int, kernel: int, stride: int) -> nn.Module:
    first = _depthwise_separable(channels, kernel, stride)
    return nn.Sequential(*first, *_depthwise_separable(channels, kernel, 1))


@register_operation("sep_conv_3x3")
def sep_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Return a 3×3 depthwise separable convolution, applied twice."""
    return _separable_twice(channels, 3, stride)


@register_operation("sep_conv_5x5")
def sep_conv_5x5(channels: int, stride: int) -> nn.Module:
    """Return a 5×5 depthwise separable convolution, applied twice."""
    return _separable_twice(channels, 5, stride)


def _dilated(channels: int, kernel: int, stride: int) -> nn.Module:
    if stride == 1:
        return nn.Sequential(*_depthwise_separable(channels, kernel, 1, dilation=2))
    # Dilation 2 at stride 2 only ever reads every second pixel: on these it is a plain convolution, and on a CPU its
    # gradient is twenty times as fast.
    return nn.Sequential(Subsample(), *_depthwise_separable(channels, kernel, 1))


@register_operation("dil_conv_3x3")
def dil_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Return a 3×3 depthwise separable convolution of dilation 2."""
    return _dilated(channels, 3, stride)


@register_operation("dil_conv_5x5")
def dil_conv_5x5(channels: int, stride: int) -> nn.Module:
    """Return a 5×5 depthwise separable convolution of dilation 2."""
    return _dilated(channels, 5, stride)
