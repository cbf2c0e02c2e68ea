"""The contents of a cost table, and the sums that they say by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from archdial.cost.table.fit import Fit
from archdial.cost.table.terms import CostEntry, CostNetwork, CostPart, CostTerm
from archdial.space import meets

DOUBTFUL = 0.1
"""Mean relative error on whole networks, above which a table is not to be relied on."""


@dataclass(frozen=True)
class TableContents:
    """The cost of a space on one device, as a sum of terms.

    Attributes:
        space: fingerprint of the space.
        runtime: how it was measured: at least device, runtime, threads and batch_size.
        terms: the cost of an architecture is the sum of what it selects in each term.
        parts: what was measured, by key.
        fit: how the latency of a whole network follows from its parts; without one it is their sum.
        networks: whole networks that were measured.
    """

    space: str
    runtime: Mapping[str, Any]
    terms: tuple[CostTerm, ...]
    parts: Mapping[str, CostPart] = field(default_factory=dict)
    fit: Fit | None = None
    networks: tuple[CostNetwork, ...] = ()

    def priced(self) -> tuple[CostTerm, ...]:
        """Return the terms with latencies as the fit has them, if there is one."""
        if self.fit is None:
            return self.terms
        taken = self.fit.parts_ms

        def scaled(entry: CostEntry) -> CostEntry:
            cost = sum(taken[key] for key in entry.parts)
            return replace(entry, latency_ms=float(cost))

        terms = (CostTerm(term.choices, tuple(map(scaled, term.entries))) for term in self.terms)
        constant = CostEntry((), self.fit.constant_ms, 0.0, 0, 0, 0, 0, 0)
        return (*terms, CostTerm((), (constant,)))

    @property
    def doubt(self) -> str:
        """What speaks against its latencies of whole networks, as the end of a sentence; empty where nothing does.

        Of a table that was written by hand, without parts that were measured, nothing is said.
        """
        if self.fit is None:
            return "is a plain sum of parts, held against no whole network" if self.parts else ""
        error = self.fit.held_out.mean_error
        return f"misses whole networks that its fit had not seen by {error:.0%} in the mean" if error > DOUBTFUL else ""

    def has(self, column: str) -> bool:
        """Return whether each entry has a value for `column`; tables of an older archdial lack some."""
        return all(getattr(entry, column) is not None for term in self.terms for entry in term.entries)

    def runs(self, architecture: Mapping[str, str]) -> Counter[str]:
        """Return how often each part runs in the network that takes these options."""
        found: Counter[str] = Counter()
        for term in self.terms:
            taken = tuple(architecture[choice] for choice in term.choices)
            for entry in term.entries:
                if meets(taken, entry.options):
                    found.update(entry.parts)
        return found

    def without_fit(self) -> Self:
        """Return the table by which latencies are plain sums; its networks are left out, as they ask for a fit."""
        return replace(self, fit=None, networks=())
