"""What is known about a node while units are followed: the layers of its tensor, or the origin of its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archdial.networks.graph.widths.ties import Ties, core, first_along


@dataclass(frozen=True)
class Labels:
    """The layers of one tensor.

    Attributes:
        shape: of the tensor.
        layers: ids of this shape; none where all of it is fixed.
    """

    shape: tuple[int, ...]
    layers: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Number:
    """A number that the code reads from shapes: `ids` (n,) of what stands along the dimensions it counts."""

    ids: Tensor


NO_IDS = torch.zeros(0, dtype=torch.long)


def labelled(ties: Ties, shape: Sequence[int], layers: Sequence[Tensor]) -> Labels:
    """Return labels without layers that are fixed; of two that vary along one dimension one alone may be cut."""
    kept: list[Tensor] = []
    taken: set[int] = set()
    for layer in layers:
        own = ties.varying(layer)
        if own & taken:
            ties.pin(layer)
        elif not ties.is_fixed(layer):
            taken |= own
            kept.append(ties.lean(layer))
    return Labels(tuple(shape), tuple(kept))


def stretched(layer: Tensor, dimensions: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return what a layer that does not vary along `dimensions` is where they have other sizes, or are gone."""
    first = first_along(layer, dimensions)
    if len(shape) < first.dim():
        for dimension in sorted(dimensions, reverse=True):
            first = first.squeeze(dimension)
    return first.expand(tuple(shape))


def merged(ties: Ties, operands: Sequence[Labels], shape: Sequence[int]) -> list[Tensor]:
    """Return the layers of what is computed of `operands`, broadcast to `shape`, element by element.

    What meets along a dimension is tied. An operand of size 1 says nothing of a dimension; one whose elements are
    fixed makes those of the others fixed, or, where they vary along other dimensions too, ties them along this one.
    """
    aligned = [_aligned(one, len(shape)) for one in operands]
    found: list[Tensor] = []
    for one in aligned:
        for layer in one.layers:
            found = _joined(ties, found, layer)
    for layer in found:
        for one in aligned:
            covered = frozenset().union(*(ties.varying(own) for own in one.layers))
            ties.mix(layer, {d for d in ties.varying(layer) - covered if one.shape[d] > 1})
    return [layer.expand(tuple(shape)) for layer in found]


def _aligned(one: Labels, count: int) -> Labels:
    """Put dimensions of size 1 before those of `one`, up to `count`."""
    before = (1,) * (count - len(one.shape))
    shape = (*before, *one.shape)
    return Labels(shape, tuple(core(x)[(None,) * len(before)].expand(shape) for x in one.layers))


def _joined(ties: Ties, found: list[Tensor], layer: Tensor) -> list[Tensor]:
    """Return `found` with `layer`, tied with each that varies along a dimension it varies along."""
    apart = []
    for other in found:
        if ties.varying(other) & ties.varying(layer):
            layer = _met(ties, layer, other)
        else:
            apart.append(other)
    return [*apart, layer]


def _met(ties: Ties, one: Tensor, other: Tensor) -> Tensor:
    """Return the layer of what two layers become that vary along a dimension in common."""
    less, more = sorted((one, other), key=lambda layer: len(ties.varying(layer)))
    few, many = ties.varying(less), ties.varying(more)
    shape = torch.broadcast_shapes(one.shape, other.shape)
    if few < many and min(many - few) < min(few):
        # One and the same for all heads, as rotary embeddings are: heads may be cut, and what is within them stays.
        ties.pin(less)
        ties.tie_along(more, few)
        return ties.lean(more).expand(shape)
    ties.tie(core(less), core(more))
    return ties.lean(torch.broadcast_tensors(core(less), core(more))[0]).expand(shape)


def paired(ties: Ties, operands: Sequence[Labels]) -> list[list[Tensor]]:
    """Return layer by layer one tensor an operand, zeros where it has none: those that vary along like dimensions."""
    rows: list[list[Tensor | None]] = []
    for place, one in enumerate(operands):
        for layer in one.layers:
            own = ties.varying(layer)
            fitting = (row for row in rows if row[place] is None and _overlap(ties, row, own))
            row = next(fitting, None)
            if row is None:
                row = [None] * len(operands)
                rows.append(row)
            row[place] = layer
    return [[_or_fixed(layer, one) for layer, one in zip(row, operands, strict=True)] for row in rows]


def _overlap(ties: Ties, row: Sequence[Tensor | None], own: frozenset[int]) -> bool:
    return any(layer is not None and bool(ties.varying(layer) & own) for layer in row)


def _or_fixed(layer: Tensor | None, one: Labels) -> Tensor:
    return torch.zeros(1, dtype=torch.long).expand(one.shape) if layer is None else layer


def is_number(value: Any) -> bool:
    """Tell whether `value` is a number, or several: a shape."""
    if isinstance(value, tuple | list):
        return bool(value) and all(isinstance(one, int | float) for one in value)
    return isinstance(value, int | float) and not isinstance(value, bool)
