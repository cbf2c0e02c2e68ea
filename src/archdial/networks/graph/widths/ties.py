"""Which units must be removed together: tied ids form one class, and 0 is never removed.

A *layer* is a tensor of ids in the shape of a tensor that flows: of each element the unit it belongs to. Along
dimensions where it does not vary it is expanded (its stride is 0), so that it takes little memory. A tensor may have
several layers, as a matrix of weights has one for its rows and one for its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

FIXED = 0
"""The id of what is never cut."""


def core(layer: Tensor) -> Tensor:
    """Return `layer` with size 1 in each dimension along which it is expanded."""
    return layer[tuple(slice(0, 1) if step == 0 else slice(None) for step in layer.stride())]


def laid_along(ids: Tensor, dimension: int, shape: Sequence[int]) -> Tensor:
    """Return a layer of `shape` that varies along `dimension` as `ids` (n,) do."""
    sizes = [1] * len(shape)
    sizes[dimension] = len(ids)
    return ids.view(sizes).expand(tuple(shape))


def first_along(layer: Tensor, dimensions: Iterable[int]) -> Tensor:
    """Return the first of `layer` along `dimensions`, which then have size 1."""
    for dimension in dimensions:
        layer = layer.narrow(dimension, 0, min(1, layer.shape[dimension]))
    return layer


class Ties:
    """Ids, and which of them are tied."""

    def __init__(self) -> None:
        self._root = torch.zeros(1, dtype=torch.long)
        self.changes = 0

    def fresh(self, count: int) -> Tensor:
        """Return as many new ids (count,)."""
        start = len(self._root)
        ids = torch.arange(start, start + count)
        self._root = torch.cat((self._root, ids))
        return ids

    def roots(self, ids: Tensor) -> Tensor:
        """Return of each id the least one that it is tied with."""
        return self._root[ids]

    def __len__(self) -> int:
        return len(self._root)

    def tie(self, one: Tensor, other: Tensor) -> None:
        """Tie the ids of one tensor with those of another that it broadcasts with."""
        sides = torch.broadcast_tensors(self._root[core(one)], self._root[core(other)])
        count = len(self._root)
        edges = (sides[0] * count + sides[1])[sides[0] != sides[1]].unique()
        if not len(edges):
            return
        self._join(torch.stack((edges // count, edges % count)))

    def _join(self, pairs: Tensor) -> None:
        """Make one class of those whose roots are a pair (2, n)."""
        self.changes += 1
        values, places = pairs.unique(return_inverse=True)
        count = len(values)
        rows, columns = places.numpy()
        edges = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
        part = torch.from_numpy(connected_components(edges, directed=False)[1]).long()
        least = torch.full((count,), len(self._root)).scatter_reduce(0, part, values, "amin")
        renamed = torch.arange(len(self._root))
        renamed[values] = least[part]
        self._root = renamed[self._root]

    def pin(self, ids: Tensor) -> None:
        """Let none of `ids` be cut."""
        self.tie(core(ids), torch.tensor(FIXED))

    def pin_all(self, ids: Sequence[int]) -> None:
        """Let none of these ids be cut."""
        self.pin(torch.tensor(ids))

    def lean(self, layer: Tensor) -> Tensor:
        """Return `layer` with the roots of its ids, expanded wherever it does not vary."""
        least = self._root[core(layer)]
        for dimension, size in enumerate(least.shape):
            first = least.narrow(dimension, 0, min(1, size))
            if size > 1 and bool((least == first).all()):
                least = first
        return least.expand(layer.shape)

    def varying(self, layer: Tensor) -> frozenset[int]:
        """Return the dimensions along which `layer` varies."""
        return frozenset(d for d, size in enumerate(core(self.lean(layer)).shape) if size > 1)

    def is_fixed(self, layer: Tensor) -> bool:
        """Tell whether nothing of `layer` is ever cut."""
        return not bool(self._root[core(layer)].any())

    def tie_along(self, layer: Tensor, dimensions: Iterable[int]) -> None:
        """Tie all that stands along `dimensions` at the same place of the others."""
        least = core(layer)
        self.tie(least, first_along(least, dimensions))

    def mix(self, layer: Tensor, dimensions: Iterable[int]) -> None:
        """Let what is computed mix all along `dimensions`: units beside them become whole, units along them fixed."""
        own, mixed = self.varying(layer), frozenset(dimensions)
        if not own & mixed:
            return
        if own - mixed:
            self.tie_along(layer, mixed)
        else:
            self.pin(layer)
