"""From measurements and counts to a cost table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archdial.common.errors import RunError, UsageError
from archdial.cost.making import whole_networks as whole
from archdial.cost.making.counting import Counts, count, stored_bytes
from archdial.cost.measuring import parts
from archdial.cost.measuring.rounds import Timing
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.table.fit_to_networks import LAUNCH, fitted
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostMerged, CostNetwork, CostPart, CostTerm
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

_Sum = tuple[float, float, int, int, int, int, int, tuple[str, ...]]
"""What `CostEntry` says of parts, from latency to keys."""


@dataclass(frozen=True)
class Plan:
    """What has to be measured for a table.

    Attributes:
        network: of which the table is.
        terms: which parts run when.
        counts: parameters, FLOPs and bytes of each part, by key.
        architectures: whole networks to measure beside the parts.
    """

    network: Supernet
    terms: Sequence[TermPlan]
    counts: Mapping[str, Counts]
    architectures: Sequence[Architecture]

    @classmethod
    def of(cls, network: Supernet, networks: int | None, runtimes: Sequence[Runtime]) -> Plan:
        """Return the plan for `network` with at most `networks` whole networks, by default what `runtimes` can manage.

        Raises:
            UsageError: the network has eight bits and a runtime has none.
            RunError: a part does not run.
        """
        _check_bits(network, runtimes)
        terms = parts.complete(network)
        counts = {part.key: _count(part) for part in parts.distinct(terms)}
        # A runtime of the user's may know nothing of precisions.
        how = {"mixed": True} if network.mixed_precision else {}
        most = min(one.networks(len(counts), **how) for one in runtimes) if networks is None else networks
        return cls(network, terms, counts, whole.to_fit(network, most))

    def subjects(self) -> list[Part]:
        """Return all that is to be measured: parts, and networks as parts."""
        return [*self.parts(), *self.wholes()]

    def parts(self) -> list[Part]:
        """Return the distinct parts."""
        return parts.distinct(self.terms)

    def wholes(self) -> list[Part]:
        """Return what is measured beside them: the part that does nothing, and networks as parts."""
        return list(whole.subjects(self.network, self.architectures))

    def table(
        self, timings: Mapping[str, Timing], header: Mapping[str, Any], predicted: Collection[str] = ()
    ) -> CostTable:
        """Return the table, with its fit, from the timings of all subjects by key, some of which were `predicted`."""
        return fitted(self.unfitted(timings, header, predicted))

    def unfitted(
        self, timings: Mapping[str, Timing], header: Mapping[str, Any], predicted: Collection[str] = ()
    ) -> CostTable:
        """Return the table without a fit."""
        space = self.network.space
        kinds = {part.key: part.kind for part in self.parts()} | {LAUNCH: LAUNCH}
        return CostTable(
            space.fingerprint,
            header,
            terms=tuple(CostTerm(term.choices, self._entries(space, term, timings)) for term in self.terms),
            parts={
                key: CostPart(kind, timings[key].median_ms, timings[key].spread, key in predicted)
                for key, kind in kinds.items()
                if key in timings
            },
            networks=tuple(
                CostNetwork(space.describe(architecture), timing.median_ms, timing.spread)
                for number, architecture in enumerate(self.architectures)
                for timing in [timings[whole.name(number)]]
            ),
        )

    def _entries(self, space: Space, term: TermPlan, timings: Mapping[str, Timing]) -> tuple[CostEntry, ...]:
        entries = dict(term.entries)
        if len(term.choices) == 1:
            options = space.choices[space.index(term.choices[0])].options
            entries = {(option,): entries.get((option,), ()) for option in options} | entries
        return tuple(self._entry(options, parts, term, timings) for options, parts in entries.items())

    def _entry(
        self, options: tuple[str, ...], parts: Sequence[Part], term: TermPlan, timings: Mapping[str, Timing]
    ) -> CostEntry:
        own, one = CostEntry(options, *self._sum(parts, timings)), term.merging.get(options)
        return own if one is None else replace(own, merged=CostMerged(one.layers, *self._sum([one.part], timings)))

    def _sum(self, parts: Sequence[Part], timings: Mapping[str, Timing]) -> _Sum:
        """Return the cost of parts that run one after another; parameters of a module that two of them call count once.

        Their interquartile ranges add up: interleaved parts meet the same slow phases, so they vary together.
        """
        counts, found = [self.counts[part.key] for part in parts], [timings[part.key] for part in parts]
        owned = {id(parameter): parameter.numel() for part in parts for parameter in part.module.parameters()}
        latency = sum(timing.median_ms for timing in found)
        width = sum(timing.median_ms * timing.spread for timing in found)
        return (
            float(latency),
            width / latency if latency > 0 else 0.0,
            sum(owned.values()),
            sum(count.flops for count in counts),
            sum(count.bytes for count in counts),
            stored_bytes(part.module for part in parts),
            max((count.peak_bytes for count in counts), default=0),
            tuple(part.key for part in parts),
        )


def _check_bits(network: Supernet, runtimes: Sequence[Runtime]) -> None:
    for runtime in runtimes if network.mixed_precision else ():
        if not runtime.eight_bits:
            raise UsageError(
                f"runtime {runtime.name!r} has no int8, which this network may choose: set runtime under profile in "
                "the recipe, or pass runtime (--runtime), to onnxruntime, openvino or executorch"
            )


def _count(part: Part) -> Counts:
    try:
        return count(part.module, part.input_shape, part.inputs)
    except RuntimeError as error:
        raise RunError(f"part {part.key!r} fails on an input of shape {part.input_shape}: {error}") from error
