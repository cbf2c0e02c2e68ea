"""Candidate operations of a cell by their usual names (DARTS, Liu et al. 2019, section 3.1.1), and how to add one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError, unknown
from archdial.common.own_code import check_free
from archdial.networks.cells.layers import IMAGES, LAYERS, SIGNALS, every, shifted

OperationFactory = Callable[[int, int], nn.Module]
"""(channels, stride) → a module from (n, channels, h, w) to (n, channels, ⌈h/stride⌉, ⌈w/stride⌉), or with one length
instead of height and width."""

BY_DIMENSIONS: dict[int, dict[str, OperationFactory]] = {SIGNALS: {}, IMAGES: {}}
OPERATIONS = BY_DIMENSIONS[IMAGES]

NONE = "none"
"""The option that contributes nothing; it has no module and no cost."""


def register_operation(name: str, dimensions: int = IMAGES) -> Callable[[OperationFactory], OperationFactory]:
    """Register a custom operation under `name`; cell plans can then list it.

        @register_operation("conv_1x1")
        def conv_1x1(channels, stride):
            return nn.Conv2d(channels, channels, 1, stride)

    The decorated function takes the number of channels and the stride, and returns a module from (n, channels, h, w) to
    (n, channels, ⌈h/stride⌉, ⌈w/stride⌉); for signals, the same with one length.

    Args:
        name: images and signals have separate namespaces: a name may stand for another operation in each.
        dimensions: of the input besides batch and channels: 2 for images, 1 for signals and embedded tokens.

    Raises:
        UsageError: the name is taken (`keys` and others by torch), empty, or contains a dot (it becomes part of
            parameter names), or cells do not support this number of dimensions. The same function may come again.
    """
    if dimensions not in BY_DIMENSIONS:
        raise UsageError(f"dimensions = {dimensions!r}: expected 2, for images, or 1, for signals and tokens")
    known = BY_DIMENSIONS[dimensions]
    if not name or "." in name or name == NONE or hasattr(nn.ModuleDict(), name):
        raise UsageError(f"operation name {name!r} is taken, empty or contains a dot: choose another")

    def register(factory: OperationFactory) -> OperationFactory:
        check_free("the operation name", name, factory, known)
        known[name] = factory
        return factory

    return register


def make_operation(name: str, channels: int, stride: int, dimensions: int = IMAGES) -> nn.Module | None:
    """Return the operation called `name`, or None for `none`."""
    if name == NONE:
        return None
    check_operations([name], dimensions)
    return BY_DIMENSIONS[dimensions][name](channels, stride)


def check_operations(names: Sequence[str], dimensions: int = IMAGES) -> None:
    """Raise UsageError unless every name is registered, or `none`, and none stands twice."""
    for name in names:
        if name != NONE and name not in BY_DIMENSIONS[dimensions]:
            raise unknown("operation", name, [NONE, *BY_DIMENSIONS[dimensions]])
    if not names or len(set(names)) != len(names):
        raise UsageError(f"operations {list(names)}: expected at least one name, all distinct")


MOST_MODULES = 50_000
"""Operations of a supernet, each a module of its own: a hundred times the largest of the papers'."""


def check_modules(count: int, what: str) -> None:
    """Raise UsageError where a supernet, as `what` has it, would hold more than MOST_MODULES operations."""
    if count > MOST_MODULES:
        raise UsageError(
            f"{what}: {count:,} operations, but a supernet may have at most {MOST_MODULES:,}; choose smaller numbers"
        )


Usual = Callable[[int, int, int, int], nn.Module]
"""(dimensions, kernel, channels, stride) → an operation."""


def _usual(name: str, *kernels: int) -> Callable[[Usual], Usual]:
    """Register an operation for images, as max_pool_3x3, and for signals, as max_pool_3; with no kernel by its name."""

    def register(make: Usual) -> Usual:
        for dimensions in BY_DIMENSIONS:
            for kernel in kernels or (1,):
                size = "_" + "x".join([str(kernel)] * dimensions) if kernels else ""
                register_operation(name + size, dimensions)(partial(make, dimensions, kernel))
        return make

    return register


class FactorizedReduction(nn.Module):
    """Halve height and width, or length, by two shifted 1×1 convolutions of stride 2, so that no pixel is skipped.

    Attributes:
        ends: of the outputs of either convolution: the first of both up to there come before all others, so that the
            first channels of the whole are of both.
    """

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool = False, dimensions: int = IMAGES) -> None:
        super().__init__()
        layers, half = LAYERS[dimensions], channels_out // 2
        self.dimensions = dimensions
        self.ends: tuple[int, ...] = ()
        self.relu = nn.ReLU()
        self.even = layers.convolution(channels_in, half, 1, stride=2, bias=False)
        self.odd = layers.convolution(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.norm = layers.norm(channels_out, affine=affine)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, channels_out, ⌈h/2⌉, ⌈w/2⌉)."""
        active = self.relu(inputs)
        joined = halves(self.even(active), self.odd(shifted(active, self.dimensions)), self.ends)
        return self.norm(joined)  # type: ignore[no-any-return]


def halves(even: Tensor, odd: Tensor, ends: tuple[int, ...]) -> Tensor:
    """Return both as channels of one: up to each of `ends` in turn those of the one, then those of the other."""
    if not ends:
        return torch.cat((even, odd), dim=1)
    bounds = zip((0, *ends), (*ends, None), strict=True)
    return torch.cat([half[:, begin:end] for begin, end in bounds for half in (even, odd)], dim=1)


def identity(dimensions: int, _: int, channels: int, stride: int) -> nn.Module:
    """Pass on the input; with stride 2 a factorised reduction."""
    return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels, dimensions=dimensions)


_usual("identity")(identity)
# What NAS-Bench-201 calls the identity.
_usual("skip_connect")(identity)


@_usual("nor_conv", 1, 3)
def convolution(dimensions: int, kernel: int, channels: int, stride: int) -> nn.Module:
    """Return an activation, a convolution and a normalisation, as NAS-Bench-201 has it."""
    layers = LAYERS[dimensions]
    own = layers.convolution(channels, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), own, layers.norm(channels))


@_usual("max_pool", 3)
def max_pool(dimensions: int, kernel: int, channels: int, stride: int) -> nn.Module:
    """Return max pooling."""
    return LAYERS[dimensions].max_pool(kernel, stride, padding=kernel // 2)


@_usual("avg_pool", 3)
def avg_pool(dimensions: int, kernel: int, channels: int, stride: int) -> nn.Module:
    """Return average pooling that leaves the padding out of the mean."""
    return LAYERS[dimensions].avg_pool(kernel, stride, padding=kernel // 2, count_include_pad=False)


class Subsample(nn.Module):
    """Keep every second pixel of every second row, or every second moment."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, ⌈h/2⌉, ⌈w/2⌉)."""
        return every(inputs, 2, self.dimensions)


def _depthwise_separable(
    dimensions: int, kernel: int, channels: int, stride: int, dilation: int = 1
) -> list[nn.Module]:
    layers, padding = LAYERS[dimensions], dilation * (kernel - 1) // 2
    depthwise = layers.convolution(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
    return [
        nn.ReLU(),
        depthwise,
        layers.convolution(channels, channels, 1, bias=False),
        layers.norm(channels, affine=False),
    ]


@_usual("sep_conv", 3, 5, 7)
def separable(dimensions: int, kernel: int, channels: int, stride: int) -> nn.Module:
    """Return a depthwise separable convolution, applied twice."""
    first = _depthwise_separable(dimensions, kernel, channels, stride)
    return nn.Sequential(*first, *_depthwise_separable(dimensions, kernel, channels, 1))


@_usual("dil_conv", 3, 5)
def dilated(dimensions: int, kernel: int, channels: int, stride: int) -> nn.Module:
    """Return a depthwise separable convolution of dilation 2."""
    if stride == 1:
        return nn.Sequential(*_depthwise_separable(dimensions, kernel, channels, 1, dilation=2))
    # Dilation 2 at stride 2 only ever reads every second pixel: on these it is a plain convolution, and on a CPU its
    # gradient is twenty times as fast.
    return nn.Sequential(Subsample(dimensions), *_depthwise_separable(dimensions, kernel, channels, 1))
