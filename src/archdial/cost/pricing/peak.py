"""Peak memory, a cost that is not a sum: the maximum over everything that an architecture runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.cost.pricing.extremes import Ends
from archdial.cost.pricing.places import Places, extended
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import PEAK
from archdial.space import Architecture, Space

_POWER = 16


class PeakCost(Ends):
    """The largest working set of an operator in an architecture, in bytes for one input; as `ExpectedCost` is asked.

    It is that of one operator at a time. What is kept for a later one counts where that reads it: at the addition that
    ends a residual block, not at the convolutions within.

    Attributes:
        space: the space of the weights.
    """

    def __init__(self, space: Space, table: CostTable) -> None:
        """Take the peaks of `table`.

        Raises:
            UsageError: the table is not one of `space`, or an older archdial made it and it has none.
        """
        table.check(space)
        if not table.has(PEAK):
            raise UsageError(f"the cost table has no {PEAK}, because it was made by an older archdial: profile again")
        self.space = space
        self._always, known = 0.0, Places(space)
        grouped: dict[int, list[tuple[list[int], float]]] = defaultdict(list)
        for term in table.taken():
            for entry in term.entries:
                peak, found = float(getattr(entry, PEAK)), space.places(term.choices, entry.options)
                if found:
                    grouped[len(found)].append((list(map(known.index, found)), peak))
                else:
                    self._always = max(self._always, peak)
        self._index = [torch.tensor([places for places, _ in group]).T for group in grouped.values()]
        self._peaks = [torch.tensor([peak for _, peak in group], dtype=torch.float64) for group in grouped.values()]
        self._sets = known.membership()
        self._largest = max([self._always, 1.0, *(float(peaks.max()) for peaks in self._peaks)])

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the peaks (n,) of one-hot `weights` (n, m, k)."""
        result = torch.full(weights.shape[:1], self._always, dtype=torch.float64)
        for runs, peaks in self._entries(weights):
            result = torch.maximum(result, (runs * peaks).amax(-1))
        return result

    def of(self, architecture: Architecture) -> float:
        """Return the peak of `architecture`."""
        return float(self(self.space.one_hot(architecture)[None])[0])

    def _descended(self, weights: Tensor) -> Tensor:
        """Return what orders (nearly) as the largest does and is linear in each choice, as `cheapest` wants it."""
        total = torch.zeros(weights.shape[:1], dtype=torch.float64)
        for runs, peaks in self._entries(weights):
            total = total + (runs * (peaks / self._largest) ** _POWER).sum(-1)
        return total

    def _entries(self, weights: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield weight (n, entries) and peak (entries,) of the entries over one choice, over two and so on."""
        flat = extended(weights.double(), self._sets)
        for index, peaks in zip(self._index, self._peaks, strict=True):
            yield torch.stack([flat[:, row] for row in index]).prod(0), peaks
