"""The contents of a cost table, and the sums that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from archdial.cost.table.fit import Fit
from archdial.cost.table.terms import CostEntry, CostMerged, CostNetwork, CostPart, CostTerm
from archdial.space import meets

DOUBTFUL = 0.1
"""Mean relative error on whole networks, above which a table is not to be relied on."""


@dataclass(frozen=True)
class TableContents:
    """The cost of a space on one device, as a sum of terms.

    Attributes:
        space: fingerprint of the space.
        runtime: how it was measured: at least device, runtime, threads and batch_size.
        terms: the cost of an architecture is the sum of the entries that it selects, one per term; latencies are in
            milliseconds for one batch.
        parts: the measured parts, by key.
        fit: how the latency of a whole network follows from its parts; without a fit, it is their sum.
        networks: whole networks that were measured.
    """

    space: str
    runtime: Mapping[str, Any]
    terms: tuple[CostTerm, ...]
    parts: Mapping[str, CostPart] = field(default_factory=dict)
    fit: Fit | None = None
    networks: tuple[CostNetwork, ...] = ()

    def priced(self) -> tuple[CostTerm, ...]:
        """Return the terms of what members run, with latencies by the fit, if there is one."""
        if self.fit is None:
            return self.taken()

        def scaled(entry: CostEntry) -> CostEntry:
            return replace(entry, latency_ms=self._latency(entry))

        terms = (CostTerm(term.choices, tuple(map(scaled, term.entries))) for term in self.taken())
        constant = CostEntry((), self.fit.constant_ms, 0.0, 0, 0, 0, 0, 0)
        return (*terms, CostTerm((), (constant,)))

    @property
    def doubt(self) -> str:
        """Why its latencies of whole networks are doubtful, as the end of a sentence; empty if they are not.

        Also empty for a table written by hand, without measured parts.
        """
        if self.fit is None:
            return "is a plain sum of parts, not validated on any whole network" if self.parts else ""
        error = self.fit.held_out.mean_error
        return f"mispredicts held-out whole networks by {error:.0%} on average" if error > DOUBTFUL else ""

    def taken(self) -> tuple[CostTerm, ...]:
        """Return the terms of what members run: layers are merged where that is faster."""
        return tuple(CostTerm(term.choices, tuple(map(self._taken, term.entries))) for term in self.terms)

    def merging(self, architecture: Mapping[str, str]) -> list[tuple[str, ...]]:
        """Return the names of consecutive layers that are merged in the member with these options."""
        terms = [term for term in self.terms if any(entry.merged is not None for entry in term.entries)]
        selected = (entry.merged for entry in _selected(terms, architecture) if self._merges(entry))
        return [merged.layers for merged in selected if merged is not None]

    def _taken(self, entry: CostEntry) -> CostEntry:
        if entry.merged is None or not self._merges(entry):
            return entry
        columns = {one.name: getattr(entry.merged, one.name) for one in fields(entry.merged) if one.name != "layers"}
        return replace(entry, **columns, merged=None)

    def _merges(self, entry: CostEntry) -> bool:
        """Tell whether layers are faster as one, by more than the measurement of that one is spread."""
        merged = entry.merged
        return merged is not None and self._latency(merged) * (1 + merged.latency_spread) < self._latency(entry)

    def _latency(self, entry: CostEntry | CostMerged) -> float:
        return entry.latency_ms if self.fit is None else float(sum(self.fit.parts_ms[key] for key in entry.parts))

    def has(self, column: str) -> bool:
        """Return whether each entry has a value for `column`; tables from an older archdial lack some."""
        return all(getattr(entry, column) is not None for term in self.terms for entry in term.entries)

    def runs(self, architecture: Mapping[str, str]) -> Counter[str]:
        """Return how often each part runs in the network with these options, without merged layers.

        Tables are fitted to networks built in this way: only the fit tells what is faster when merged.
        """
        return Counter(key for entry in _selected(self.terms, architecture) for key in entry.parts)

    def without_fit(self) -> Self:
        """Return the table without fit and networks: its latencies are plain sums."""
        return replace(self, fit=None, networks=())


def _selected(terms: Sequence[CostTerm], architecture: Mapping[str, str]) -> Iterator[CostEntry]:
    """Yield the entries that an architecture selects."""
    for term in terms:
        options = tuple(architecture[choice] for choice in term.choices)
        yield from (entry for entry in term.entries if meets(options, entry.options))
