"""Which of many parts to measure: the corners of each large family, and a spread in between."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from archdial.cost.making.surface import Array
from archdial.networks.supernet import Part

MANY = 150
"""Parts of a table, above which a family need not be measured whole: fewer take next to no time."""
LARGE = 9
"""Members of a family, above which a design of them is measured."""
_FEWEST = 8


@dataclass(frozen=True)
class Family:
    """Parts that differ only in their sizes.

    Attributes:
        members: those that are measured first, and of them the corners first of all.
        measured: how many are.
        corners: how many of them are corners, between which all others are.
    """

    members: tuple[Part, ...]
    measured: int
    corners: int

    @property
    def sizes(self) -> Array:
        """Of the members (n, sizes)."""
        return numpy.array([part.sizes for part in self.members], float)

    @property
    def left(self) -> tuple[Part, ...]:
        """Members that are not measured."""
        return self.members[self.measured :]


def families(parts: Sequence[Part]) -> list[Family]:
    """Return the families of which a design is measured; none where there are few parts."""
    if len(parts) <= MANY:
        return []
    found: dict[tuple[str, int], list[Part]] = {}
    for part in parts:
        if part.family and part.sizes and all(0 < size < math.inf for size in part.sizes):
            found.setdefault((part.family, len(part.sizes)), []).append(part)
    return [_family(members) for members in found.values() if len(members) > LARGE]


def _family(members: Sequence[Part]) -> Family:
    places = _places(numpy.array([part.sizes for part in members], float))
    corners = _corners(places)
    # The root of how many there are for each of two sizes: rows and columns of a grid grow so.
    count = max(_FEWEST, len(corners), math.ceil(2 * math.sqrt(len(members))))
    order = _spread(places, corners)
    return Family(tuple(members[number] for number in order), count, len(corners))


def _places(sizes: Array) -> Array:
    """Return where sizes (n, sizes) are in a cube of side 1: halfway between their own scale and that of ratios."""
    scaled = [(each - each.min(0)) / numpy.maximum(numpy.ptp(each, axis=0), 1e-9) for each in (sizes, numpy.log(sizes))]
    return numpy.asarray(sum(scaled) / 2.0)


def _corners(places: Array) -> list[int]:
    """Return which are nearest to the corners of the cube, the smallest of all first."""
    cube = itertools.product((0.0, 1.0), repeat=places.shape[1])
    return list(dict.fromkeys(int(((places - corner) ** 2).sum(1).argmin()) for corner in cube))


def _spread(places: Array, first: Sequence[int]) -> list[int]:
    """Return all, those `first` in front, and each next one as far as can be from those before it."""
    order = list(first)
    away = ((places[:, None] - places[order]) ** 2).sum(2).min(1)
    away[order] = -1.0
    while len(order) < len(places):
        order.append(int(away.argmax()))
        away = numpy.minimum(away, ((places - places[order[-1]]) ** 2).sum(1))
        away[order] = -1.0
    return order
