"""A cost table as JSON: written, and read with every value checked; what a device measured is fitted on reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from archdial.cost import reading
from archdial.cost.fit import Agreement, Fit
from archdial.cost.fitting import fitted
from archdial.cost.table import CostEntry, CostNetwork, CostPart, CostTable, CostTerm

FORMAT = "archdial.table"
VERSION = 1
_AGREEMENT = ("mean_error", "within", "kendall")


def to_json(table: CostTable) -> dict[str, Any]:
    """Return `table` as a JSON value."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "space": table.space,
        "runtime": dict(table.runtime),
        "parts": {key: asdict(part) for key, part in table.parts.items()},
        "terms": [{"choices": list(t.choices), "entries": [_entry(e) for e in t.entries]} for t in table.terms],
        "networks": [{**asdict(network), "architecture": dict(network.architecture)} for network in table.networks],
    }
    return value if table.fit is None else value | {"fit": asdict(table.fit)}


def from_json(value: Mapping[str, Any], source: str) -> CostTable:
    """Return the table that `to_json` wrote, or a device; `source` names it in errors.

    Raises:
        UsageError: wrong format or version, a key is missing, or a value is no cost.
    """
    reader = reading.Reader(source)
    reader.header(value, FORMAT, VERSION)
    terms = tuple(_term(reader, term, n) for n, term in enumerate(reader.objects(value, "terms", "it")))
    parts = {key: _part(reader, key, part) for key, part in reader.mapping(value, "parts").items()}
    found = reader.objects(value, "networks", "it") if "networks" in value else []
    networks = tuple(_network(reader, network, terms, n) for n, network in enumerate(found))
    _check_parts(reader, terms, parts)
    table = CostTable(reader.text(value, "space"), reader.runtime(value), terms, parts, None, networks)
    if value.get("fit") is None:
        table = fitted(table)
        if table.fit is not None:
            _check_named(reader, terms)
        return table
    _check_named(reader, terms)
    return CostTable(table.space, table.runtime, terms, parts, _fit(reader, value["fit"], parts), networks)


def _entry(entry: CostEntry) -> dict[str, Any]:
    known = {name: value for name, value in asdict(entry).items() if value is not None}
    return {**known, "options": list(entry.options), "parts": list(entry.parts)}


def _term(reader: reading.Reader, value: Mapping[str, Any], number: int) -> CostTerm:
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
        reader.integer(value, "size_bytes", where) if "size_bytes" in value else None,
        reader.integer(value, "peak_bytes", where) if "peak_bytes" in value else None,
        reader.names(value, "parts", where) if "parts" in value else (),
    )


def _part(reader: reading.Reader, key: str, value: Any) -> CostPart:
    where = f"the part {key!r}"
    if not isinstance(value, dict):
        raise reader.error(f"{where} is {value!r}, expected an object")
    numbers = (reader.number(value, name, where) for name in ("latency_ms", "latency_spread"))
    return CostPart(reader.text(value, "kind"), *numbers)


def _network(reader: reading.Reader, value: Mapping[str, Any], terms: Sequence[CostTerm], number: int) -> CostNetwork:
    where = f"network {number}"
    architecture = reader.mapping(value, "architecture")
    for choice in dict.fromkeys(name for term in terms for name in term.choices):
        if not isinstance(architecture.get(choice), str):
            raise reader.error(f"the architecture of {where} takes {architecture.get(choice)!r} at {choice!r}")
    latency, spread = (reader.number(value, name, where) for name in ("latency_ms", "latency_spread"))
    if latency == 0:
        raise reader.error(f"{where} takes no time, expected a latency_ms above 0")
    return CostNetwork(architecture, latency, spread)


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


def _fit(reader: reading.Reader, value: Any, parts: Mapping[str, CostPart]) -> Fit:
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
