"""The kernel of two consecutive convolutions: what each output reads of the input."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from archdial.networks.graph.merging.affine import Affine
from archdial.networks.graph.merging.borders import padding_of_both


def composed(first: Affine, second: Affine) -> Affine | None:
    """Return second(first(x)) as one; None where its borders would be others."""
    if first.outputs != second.inputs or (borders := padding_of_both(first, second)) is None:
        return None
    groups = math.gcd(first.groups, second.groups)
    if groups not in (first.groups, second.groups):
        first = _with_groups(first, groups)
    padding, mode = borders
    spacing = _spacing(first, second)
    weight, bias = _weight(first, second, spacing), _bias(first, second)
    return Affine(weight, bias, groups, _times(first.stride, second.stride), spacing, padding, mode)


def _spacing(first: Affine, second: Affine) -> tuple[int, ...]:
    """Return the widest dilation at which one kernel has all pixels that the two read, in each dimension."""
    steps = zip(_steps(first), _times(first.stride, _steps(second)), strict=True)
    return tuple(math.gcd(*both) or 1 for both in steps)


def _steps(one: Affine) -> tuple[int, ...]:
    """Return from pixel to pixel of a kernel how far it is; 0 where there is one pixel."""
    return tuple(step if size > 1 else 0 for step, size in zip(one.dilation, one.kernel, strict=True))


def _times(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one * other for one, other in zip(some, others, strict=True))


def _weight(first: Affine, second: Affine, spacing: tuple[int, ...]) -> Tensor:
    own, blocks = _blocks(first, second)
    further = _times(first.stride, second.reach)
    sizes = [(a + b) // step + 1 for a, b, step in zip(first.reach, further, spacing, strict=True)]
    groups = math.gcd(first.groups, second.groups)
    weight = own.new_zeros(second.outputs, first.inputs // groups, *sizes)
    rule = "grmi...,gorm->gori..." if first.groups >= second.groups else "grmi...,grom->groi..."
    steps = _times(first.stride, second.dilation)
    for place in itertools.product(*map(range, second.kernel)):
        starts = _times(place, steps)
        pixel: tuple[Any, ...] = (..., *place)
        seen: tuple[Any, ...] = (..., *map(_seen, starts, first.reach, first.dilation, spacing))
        weight[seen] += torch.einsum(rule, own, blocks[pixel]).reshape(second.outputs, -1, *first.kernel)
    return weight


def _seen(start: int, reach: int, dilation: int, spacing: int) -> slice:
    """Return the pixels of the merged kernel, in one dimension, that the first reads where it starts so far along."""
    return slice(start // spacing, (start + reach) // spacing + 1, max(1, dilation // spacing))


def _blocks(first: Affine, second: Affine) -> tuple[Tensor, Tensor]:
    """Return both weights by the finer of their groups: g coarser ones, each of r finer ones.

    The first's are (g, r, m, i, …) for m channels between, the second's (g, o, r, m, …) where the first has the finer
    groups, else (g, r, o, m, …).
    """
    coarse, fine = sorted((first.groups, second.groups))
    many = fine // coarse
    each = second.inputs // fine
    own = first.weight.reshape(coarse, many, each, -1, *first.kernel)
    order = (coarse, -1, many, each) if first.groups == fine else (coarse, many, -1, each)
    return own, second.weight.reshape(*order, *second.kernel)


def _bias(first: Affine, second: Affine) -> Tensor | None:
    if first.bias is None:
        return second.bias
    every = second.weight.flatten(2).sum(2) if second.kernel else second.weight
    blocks = every.reshape(second.groups, -1, every.shape[1])
    through = torch.einsum("goc,gc->go", blocks, first.bias.reshape(second.groups, -1)).flatten()
    return through if second.bias is None else second.bias + through


def _with_groups(one: Affine, groups: int) -> Affine:
    """Return the same with fewer groups: zeros take the place of what it did not read."""
    many = one.groups // groups
    own = one.weight.reshape(groups, many, -1, *one.weight.shape[1:])
    apart = own.new_zeros(groups, many, own.shape[2], many, *own.shape[3:])
    for number in range(many):
        apart[:, number, :, number] = own[:, number]
    weight = apart.reshape(one.outputs, -1, *one.kernel)
    return Affine(weight, one.bias, groups, one.stride, one.dilation, one.padding, one.mode)
