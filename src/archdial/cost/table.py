"""The cost table: what each option of a space costs on one device; a JSON file that travels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from archdial import files
from archdial.cost.fit import Fit
from archdial.documents import read_json
from archdial.errors import UsageError, unknown
from archdial.limits import Amount, Milliseconds, Name, Tally, Text
from archdial.space import EITHER, Choice, Space, meets

COLUMNS = ("latency_ms", "parameters", "flops", "bytes", "size_bytes")
"""What adds up over the terms."""
PEAK = "peak_bytes"
"""What does not: of the entries that an architecture selects the largest counts."""
_WHAT = "cost table"
REMAKE = "add it to the file, or profile the network again"


@dataclass(frozen=True)
class CostEntry:
    """What runs when the choices of a term take `options`, and its cost.

    Attributes:
        options: names of the options, one for each choice of the term; several with | between, if any of them will do.
        latency_ms: milliseconds for one batch of the table's batch size; the median over the repetitions.
        latency_spread: interquartile range of the repetitions, divided by their median.
        parameters: number of parameters.
        flops: floating point operations for one input; a multiply-add counts as two.
        bytes: bytes of floating point activations written for one input.
        size_bytes: bytes of parameters and buffers, as a file of weights holds them; None in an older table.
        peak_bytes: the most that one operator reads and writes at once for one input, weights aside; None likewise.
        parts: keys of the parts of which `latency_ms` is the sum, one for each time that it runs; none if unknown.
    """

    options: Annotated[tuple[Name, ...], Field(fail_fast=True)]
    latency_ms: Milliseconds
    latency_spread: Amount
    parameters: Tally
    flops: Tally
    bytes: Tally
    size_bytes: Tally | None = None
    peak_bytes: Tally | None = None
    parts: Annotated[tuple[Text, ...], Field(fail_fast=True)] = ()


@dataclass(frozen=True)
class CostTerm:
    """One term of the cost: entries over the options of `choices`; combinations left out cost nothing."""

    choices: Annotated[tuple[Name, ...], Field(fail_fast=True)]
    entries: Annotated[tuple[CostEntry, ...], Field(fail_fast=True)]


@dataclass(frozen=True)
class CostPart:
    """A piece of the network, measured alone: kind, median milliseconds of a batch, interquartile range over median."""

    kind: Text
    latency_ms: Milliseconds
    latency_spread: Amount


@dataclass(frozen=True)
class CostNetwork:
    """A whole network: the option that it takes at each choice, median milliseconds of a batch, and their spread."""

    architecture: Mapping[str, Name]
    latency_ms: Annotated[Milliseconds, Field(gt=0)]
    latency_spread: Amount


@dataclass(frozen=True)
class CostTable:
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

    def without_fit(self) -> CostTable:
        """Return the table by which latencies are plain sums; its networks are left out, as they ask for a fit."""
        return replace(self, fit=None, networks=())

    def to_json(self) -> dict[str, Any]:
        """Return the table as a JSON value."""
        from archdial.cost import table_file

        return table_file.to_json(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = f"the {_WHAT}") -> CostTable:
        """Return the table that `to_json` wrote, or a device; `source` names it in errors.

        Raises:
            UsageError: wrong format or version, a key is missing, or a value is no cost.
        """
        from archdial.cost import table_file

        return table_file.from_json(value, source)

    def save(self, path: Path | str) -> Path:
        """Write the table to `path` in one rename."""
        return files.write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path | str, space: Space | None = None) -> CostTable:
        """Return the table in the file `path`, checked against `space` where one is given.

        Raises:
            UsageError: the file is missing or damaged, or `from_json` or `check` refuses it.
        """
        source = f"the {_WHAT} {path}"
        table = cls.from_json(read_json(Path(path), _WHAT), source)
        if space is not None:
            table.check(space, source)
        return table

    def check(self, space: Space, source: str = f"the {_WHAT}") -> None:
        """Raise UsageError unless the table is one of `space`, with an entry wherever one is due."""
        if self.space != space.fingerprint:
            raise UsageError(
                f"{source} was made for another space ({self.space}, expected {space.fingerprint}): "
                "profile this network, or name the network that the table was made for"
            )
        for term in self.terms:
            _check_term(term, space, source)
        for number, network in enumerate(self.networks):
            _check_network(number, network, space, source)
        priced = {name for term in self.terms for name in term.choices}
        for choice in space.choices:
            if choice.name not in priced:
                raise UsageError(f"{source} has no entry for choice {choice.name!r}: {REMAKE}")


def _check_network(number: int, network: CostNetwork, space: Space, source: str) -> None:
    try:
        space.parse(network.architecture)
    except UsageError as error:
        raise UsageError(f"the architecture of network {number} in {source}: {error}; {REMAKE}") from None


def check_column(name: str) -> None:
    """Raise UsageError unless `name` is one of COLUMNS."""
    if name not in COLUMNS:
        raise unknown("cost column", name, COLUMNS)


def _check_term(term: CostTerm, space: Space, source: str) -> None:
    choices = [_choice(space, name, source) for name in term.choices]
    for entry in term.entries:
        for choice, option in zip(choices, entry.options, strict=True):
            for name in option.split(EITHER):
                if name not in choice.options:
                    problem = unknown(f"option of choice {choice.name!r}", name, choice.options)
                    raise UsageError(f"{source} has an entry {choice.name}={option}: {problem}; {REMAKE}")
    if len(choices) == 1:
        _check_complete(term, choices[0], source)


def _check_complete(term: CostTerm, choice: Choice, source: str) -> None:
    present = {name for entry in term.entries for name in entry.options[0].split(EITHER)}
    for option in choice.options:
        if option not in present:
            raise UsageError(f"{source} has no entry for {choice.name}={option}: {REMAKE}")


def _choice(space: Space, name: str, source: str) -> Choice:
    try:
        return space.choices[space.index(name)]
    except UsageError as error:
        raise UsageError(f"{source} has entries for a choice that the space lacks: {error}; {REMAKE}") from None
