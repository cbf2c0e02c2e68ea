"""The cost table: what each option of a space costs on one device; a JSON file that travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from archdial import files
from archdial.cost import reading
from archdial.cost.fit import Agreement, Fit
from archdial.errors import UsageError, unknown
from archdial.space import Architecture, Choice, Space

FORMAT = "archdial.table"
VERSION = 1
COLUMNS = ("latency_ms", "parameters", "flops", "bytes")
_WHAT = "cost table"
_AGREEMENT = ("mean_error", "within", "kendall")


@dataclass(frozen=True)
class CostEntry:
    """What runs when the choices of a term take `options`, and its cost.

    Attributes:
        options: names of the options, one for each choice of the term.
        latency_ms: milliseconds for one batch of the table's batch size; the median over the repetitions.
        latency_spread: interquartile range of the repetitions, divided by their median.
        parameters: number of parameters.
        flops: floating point operations for one input; a multiply-add counts as two.
        bytes: bytes of floating point activations written for one input.
        parts: keys of the parts of which `latency_ms` is the sum, one for each time that it runs; none if unknown.
    """

    options: tuple[str, ...]
    latency_ms: float
    latency_spread: float
    parameters: int
    flops: int
    bytes: int
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostTerm:
    """One term of the cost: entries over the options of `choices`; combinations left out cost nothing."""

    choices: tuple[str, ...]
    entries: tuple[CostEntry, ...]


@dataclass(frozen=True)
class CostPart:
    """A piece of the network, measured alone: kind, median milliseconds of a batch, interquartile range over median."""

    kind: str
    latency_ms: float
    latency_spread: float


@dataclass(frozen=True)
class CostTable:
    """The cost of a space on one device, as a sum of terms.

    Attributes:
        space: fingerprint of the space.
        runtime: how it was measured: at least device, runtime, threads and batch_size.
        terms: the cost of an architecture is the sum of what it selects in each term.
        parts: what was measured, by key.
        fit: how the latency of a whole network follows from its parts; without one it is their sum.
        networks: whole networks that were measured, with their milliseconds.
    """

    space: str
    runtime: Mapping[str, Any]
    terms: tuple[CostTerm, ...]
    parts: Mapping[str, CostPart] = field(default_factory=dict)
    fit: Fit | None = None
    networks: tuple[tuple[Architecture, float], ...] = ()

    def priced(self) -> tuple[CostTerm, ...]:
        """Return the terms with latencies as the fit has them, if there is one."""
        if self.fit is None:
            return self.terms
        taken = self.fit.parts_ms

        def scaled(entry: CostEntry) -> CostEntry:
            cost = sum(taken[key] for key in entry.parts)
            return replace(entry, latency_ms=float(cost))

        terms = (CostTerm(term.choices, tuple(map(scaled, term.entries))) for term in self.terms)
        constant = CostEntry((), self.fit.constant_ms, 0.0, 0, 0, 0)
        return (*terms, CostTerm((), (constant,)))

    def without_fit(self) -> CostTable:
        """Return the table by which latencies are plain sums."""
        return replace(self, fit=None)

    def to_json(self) -> dict[str, Any]:
        """Return the table as a JSON value."""
        terms = [{"choices": list(t.choices), "entries": [_entry(e) for e in t.entries]} for t in self.terms]
        value = {
            "format": FORMAT,
            "version": VERSION,
            "space": self.space,
            "runtime": dict(self.runtime),
            "parts": {key: asdict(part) for key, part in self.parts.items()},
            "terms": terms,
            "networks": [{"options": list(a.options), "latency_ms": ms} for a, ms in self.networks],
        }
        return value if self.fit is None else value | {"fit": asdict(self.fit)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = f"the {_WHAT}") -> CostTable:
        """Return the table that `to_json` wrote; `source` names it in errors.

        Raises:
            UsageError: wrong format or version, a key is missing, or a value is no cost.
        """
        reader = reading.Reader(source)
        reader.header(value, FORMAT, VERSION)
        terms = tuple(_read_term(reader, term, n) for n, term in enumerate(reader.objects(value, "terms", "it")))
        parts = {key: _read_part(reader, key, part) for key, part in reader.mapping(value, "parts").items()}
        _check_parts(reader, terms, parts)
        fit = None
        if value.get("fit") is not None:
            _check_named(reader, terms)
            fit = _read_fit(reader, value["fit"], parts)
        networks = tuple(_read_network(reader, network, n) for n, network in enumerate(_networks(reader, value)))
        return cls(reader.text(value, "space"), reader.runtime(value), terms, parts, fit, networks)

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
        table = cls.from_json(files.read_json(Path(path), _WHAT), source)
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
        priced = {name for term in self.terms for name in term.choices}
        for choice in space.choices:
            if choice.name not in priced:
                raise UsageError(f"{source} has no entry for choice {choice.name!r}: {reading.REMAKE}")


def check_column(name: str) -> None:
    """Raise UsageError unless `name` is one of COLUMNS."""
    if name not in COLUMNS:
        raise unknown("cost column", name, COLUMNS)


def _entry(entry: CostEntry) -> dict[str, Any]:
    return {**asdict(entry), "options": list(entry.options), "parts": list(entry.parts)}


def _read_term(reader: reading.Reader, value: Mapping[str, Any], number: int) -> CostTerm:
    where = f"term {number}"
    choices = reader.names(value, "choices", where)
    if len(set(choices)) != len(choices):
        raise reader.error(f"{where} names a choice twice: {', '.join(choices)}")
    entries = tuple(_read_entry(reader, choices, entry) for entry in reader.objects(value, "entries", where))
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        if entry.options in seen:
            raise reader.error(f"{where} has two entries for {reading.title(choices, entry.options)}")
        seen.add(entry.options)
    return CostTerm(choices, entries)


def _read_entry(reader: reading.Reader, choices: tuple[str, ...], value: Mapping[str, Any]) -> CostEntry:
    options = reader.names(value, "options", f"an entry of {reading.title(choices)}")
    where = reading.title(choices, options)
    if len(options) != len(choices):
        raise reader.error(
            f"an entry of {reading.title(choices)} has the options {list(options)}, one a choice expected"
        )
    return CostEntry(
        options,
        reader.number(value, "latency_ms", where),
        reader.number(value, "latency_spread", where),
        reader.integer(value, "parameters", where),
        reader.integer(value, "flops", where),
        reader.integer(value, "bytes", where),
        reader.names(value, "parts", where) if "parts" in value else (),
    )


def _read_part(reader: reading.Reader, key: str, value: Any) -> CostPart:
    where = f"the part {key!r}"
    if not isinstance(value, dict):
        raise reader.error(f"{where} is {value!r}, expected an object")
    numbers = (reader.number(value, name, where) for name in ("latency_ms", "latency_spread"))
    return CostPart(reader.text(value, "kind"), *numbers)


def _networks(reader: reading.Reader, value: Mapping[str, Any]) -> list[dict[str, Any]]:
    return reader.objects(value, "networks", "it") if "networks" in value else []


def _read_network(reader: reading.Reader, value: Mapping[str, Any], number: int) -> tuple[Architecture, float]:
    where = f"network {number}"
    options = reader.get(value, "options", where)
    if not isinstance(options, list) or not all(type(option) is int and option >= 0 for option in options):
        raise reader.error(f"the options of {where} are {options!r}, expected a list of whole numbers")
    return Architecture(tuple(options)), reader.number(value, "latency_ms", where)


def _check_parts(reader: reading.Reader, terms: Sequence[CostTerm], parts: Mapping[str, CostPart]) -> None:
    for term in terms:
        for entry in term.entries:
            for key in entry.parts:
                if key not in parts:
                    where = reading.title(term.choices, entry.options)
                    raise reader.error(f"the entry {where} names a part that is not there, {key!r}", reading.REMAKE)


def _check_named(reader: reading.Reader, terms: Sequence[CostTerm]) -> None:
    """A fit speaks of parts: it would take an entry that names none for one that costs nothing."""
    for term in terms:
        for entry in term.entries:
            if entry.latency_ms > 0 and not entry.parts:
                where = reading.title(term.choices, entry.options)
                raise reader.error(f"there is a fit, but the entry {where} names no parts", reading.REMAKE)


def _read_fit(reader: reading.Reader, value: Any, parts: Mapping[str, CostPart]) -> Fit:
    where = "the fit"
    if not isinstance(value, dict):
        raise reader.error(f"{where} is {value!r}, expected an object")
    kinds = dict.fromkeys(part.kind for part in parts.values())
    scales, launches, each = (
        {key: reader.number(reader.mapping(value, name), key, f"{where}'s {name}") for key in keys}
        for name, keys in (("scales", kinds), ("launches_ms", kinds), ("parts_ms", parts))
    )
    agreements = (
        Agreement(
            *(reader.number(reader.mapping(value, name), key, f"{where}'s {name}", least=-1.0) for key in _AGREEMENT)
        )
        for name in ("held_out", "plain")
    )
    launch, constant = (reader.number(value, name, where) for name in ("launch_ms", "constant_ms"))
    return Fit(launch, constant, scales, launches, each, reader.integer(value, "networks", where), *agreements)


def _check_term(term: CostTerm, space: Space, source: str) -> None:
    choices = [_choice(space, name, source) for name in term.choices]
    for entry in term.entries:
        for choice, option in zip(choices, entry.options, strict=True):
            if option not in choice.options:
                problem = unknown(f"option of choice {choice.name!r}", option, choice.options)
                raise UsageError(f"{source} has an entry {choice.name}={option}: {problem}; {reading.REMAKE}")
    if len(choices) == 1:
        _check_complete(term, choices[0], source)


def _check_complete(term: CostTerm, choice: Choice, source: str) -> None:
    present = {entry.options[0] for entry in term.entries}
    for option in choice.options:
        if option not in present:
            raise UsageError(f"{source} has no entry for {choice.name}={option}: {reading.REMAKE}")


def _choice(space: Space, name: str, source: str) -> Choice:
    try:
        return space.choices[space.index(name)]
    except UsageError as error:
        raise UsageError(f"{source} has entries for a choice that the space lacks: {error}; {reading.REMAKE}") from None
