"""A cost table as JSON: writing, and reading with every value checked; fitted on reading if necessary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from archdial.common.documents import is_version
from archdial.common.errors import UsageError, cut, first_line, short
from archdial.common.limits import Amount, Count, Positive, Share, Text
from archdial.common.validation import Place, check_fields, validated
from archdial.cost.table.contents import TableContents
from archdial.cost.table.fit import Fit
from archdial.cost.table.fit_to_networks import fitted
from archdial.cost.table.terms import REMAKE, CostEntry, CostMerged, CostNetwork, CostPart, CostTerm

FORMAT = "archdial.table"
VERSION = 1
_AGAIN = "correct the file, or profile the network again"

NEAR = 1e-3
"""How far an entry's latency may be from the sum of its parts, which it is; relative."""

_MOST_PARTS, _MOST_KINDS, _MOST_NETWORKS = 2_000, 50, 1_000
"""Of a table that is to be fitted while it is read; those of networks with many widths have three quarters as many."""

_MISSED, _MEAN, _WORST = 3.0, 0.05, 0.5
"""How many times its held-out error a fit may be off its own networks, to which it was fitted, and how much more."""


@with_config(ConfigDict(extra="allow"))
class Interpolated(TypedDict):
    """Of families of parts that were measured in part: how many there are, and how well those left out were told."""

    parts: Count
    measured: Count
    held_out: Count
    held_out_mean_error: Amount
    within_10: Share


@with_config(ConfigDict(extra="allow"))
class Recalibrated(TypedDict):
    """Of a table that was scaled to another pace of its machine: the factor, and how many networks it comes from."""

    ratio: Positive
    networks: Count
    date: Text


@with_config(ConfigDict(extra="allow"))
class Header(TypedDict, total=False):
    """How a table was measured; other keys are left alone."""

    device: Required[Text]
    device_name: Text
    cpu: Text
    runtime: Required[Text]
    runtime_version: Text
    dtype: Text
    layout: Text
    date: Text
    python: Text
    torch: Text
    threads: Required[Count]
    batch_size: Required[Count]
    repeats: Count
    spread: Amount
    seconds: Amount
    noisy: list[Text]
    interpolated: Interpolated
    recalibrated: Recalibrated


@dataclass(frozen=True)
class _File:
    format: Literal["archdial.table"]
    version: Literal[1]
    space: Text
    runtime: Header
    terms: Annotated[tuple[CostTerm, ...], Field(fail_fast=True)]
    parts: Mapping[str, CostPart] = field(default_factory=dict)
    networks: Annotated[tuple[CostNetwork, ...], Field(fail_fast=True)] = ()
    fit: Fit | None = None


def to_json(table: TableContents) -> dict[str, Any]:
    """Return `table` as a JSON value."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "space": table.space,
        "runtime": dict(table.runtime),
        "parts": {key: _part(part) for key, part in table.parts.items()},
        "terms": [{"choices": list(t.choices), "entries": [_entry(e) for e in t.entries]} for t in table.terms],
        "networks": [{**asdict(network), "architecture": dict(network.architecture)} for network in table.networks],
    }
    return value if table.fit is None else value | {"fit": _fit(table.fit)}


def from_json(value: Mapping[str, Any], source: str) -> TableContents:
    """Return the table that `to_json` wrote, or a device; `source` names it in errors.

    Raises:
        UsageError: wrong format or version, a key is missing, a value is no cost, or values contradict each other.
    """
    try:
        _check_header(value)
        file = validated(_File, value, says=lambda place: _called(value, place))
        _check(file)
    except UsageError as error:
        raise UsageError(f"{source}: {error}; {_AGAIN}") from None
    # In the order of the file: a run's fingerprint is of the table as it was written.
    runtime = {name: dict(file.runtime)[name] for name in value["runtime"]}
    table = TableContents(file.space, runtime, file.terms, file.parts, file.fit, file.networks)
    if file.fit is None:
        table = _fitted(table, source)
    else:
        _check_fit(table, file.fit, source)
    if table.fit is not None and (missing := next(_unnamed(file.terms), None)):
        # A fit speaks of parts: it would take an entry that names none for one that costs nothing.
        raise UsageError(f"{source}: it has a fit, but the entry {missing} names no parts; {REMAKE}")
    return table


def _part(part: CostPart) -> dict[str, Any]:
    return {name: value for name, value in asdict(part).items() if name != "predicted" or value}


def _fit(fit: Fit) -> dict[str, Any]:
    # Whoever loads and saves a table of an older archdial has the file of before.
    residuals = {"residuals": list(fit.residuals)} if fit.residuals else {}
    return {name: value for name, value in asdict(fit).items() if name != "residuals"} | residuals


def _entry(entry: CostEntry) -> dict[str, Any]:
    known = {name: value for name, value in asdict(entry).items() if value is not None}
    if entry.merged is not None:
        lists = {"layers": list(entry.merged.layers), "parts": list(entry.merged.parts)}
        known["merged"] = {**known["merged"], **lists}
    return {**known, "options": list(entry.options), "parts": list(entry.parts)}


def _check_header(value: Mapping[str, Any]) -> None:
    """Refuse another kind of file before any key of it is looked at."""
    if value.get("format") != FORMAT:
        raise UsageError(
            f"the format is {_shown(value.get('format'))}, expected {FORMAT!r}: pass a cost table written by archdial"
        )
    if not is_version(value.get("version"), VERSION):
        raise UsageError(f"the version is {_shown(value.get('version'))}, this archdial reads {VERSION}")


def _shown(value: object) -> str:
    return cut(repr(value)) if value is None or isinstance(value, str) else short(value)


def _called(value: Mapping[str, Any], place: Place) -> str:
    """Return by choices and options which entry of the file `place` is in."""
    if len(place) < 4 or place[0] != "terms" or place[2] != "entries":
        return ""
    try:
        term = value["terms"][place[1]]
        return title(term["choices"], term["entries"][place[3]]["options"])
    except (KeyError, TypeError, ValueError):
        return ""


def title(choices: Sequence[str], options: Sequence[str] | None = None) -> str:
    """Return how an entry is named in errors: choice=option for each choice."""
    if not choices:
        return "the part that always runs"
    if options is None or len(options) != len(choices):
        return ", ".join(choices)
    return ", ".join(f"{choice}={option}" for choice, option in zip(choices, options, strict=True))


def _check(file: _File) -> None:
    """Refuse values that do not go together."""
    for number, term in enumerate(file.terms):
        if len(set(term.choices)) != len(term.choices):
            raise UsageError(f"term {number} names a choice twice: {', '.join(term.choices)}")
        _check_term(number, term, file.parts)
    choices = list(dict.fromkeys(name for term in file.terms for name in term.choices))
    for number, network in enumerate(file.networks):
        if missing := next((name for name in choices if name not in network.architecture), None):
            raise UsageError(f"the architecture of network {number} has no option for {missing!r}")


def _check_term(number: int, term: CostTerm, parts: Mapping[str, CostPart]) -> None:
    seen: set[tuple[str, ...]] = set()
    for entry in term.entries:
        where = title(term.choices, entry.options)
        if len(entry.options) != len(term.choices):
            raise UsageError(
                f"an entry of term {number} ({where}) has {len(entry.options)} options, expected one per choice"
            )
        if entry.options in seen:
            raise UsageError(f"term {number} has two entries for {where}")
        seen.add(entry.options)
        _check_parts(entry, where, parts)
        if entry.merged is not None:
            _check_parts(entry.merged, f"{where}, merged,", parts)


def _check_parts(entry: CostEntry | CostMerged, where: str, parts: Mapping[str, CostPart]) -> None:
    for key in entry.parts:
        if key not in parts:
            raise UsageError(f"the entry {where} names a part that does not exist, {key!r}; {REMAKE}")
    total = sum(parts[key].latency_ms for key in entry.parts)
    if entry.parts and abs(entry.latency_ms - total) > NEAR * max(total, 1e-6):
        raise UsageError(f"the latency_ms of {where} is {entry.latency_ms:g}, but its parts add up to {total:g}")


def _unnamed(terms: Sequence[CostTerm]) -> Iterator[str]:
    """Yield the entries that cost time and name no parts."""
    for term in terms:
        for entry in term.entries:
            if entry.latency_ms > 0 and not entry.parts:
                yield title(term.choices, entry.options)


def _fitted(table: TableContents, source: str) -> TableContents:
    """Return `table` with a fit to its networks, if it has any; values of a file may be such that there is none."""
    kinds = len({part.kind for part in table.parts.values()})
    networks = table.networks
    if networks and (len(table.parts) > _MOST_PARTS or kinds > _MOST_KINDS or len(networks) > _MOST_NETWORKS):
        raise UsageError(
            f"{source} has {len(table.parts):,} parts of {kinds:,} kinds, {len(networks):,} networks and no fit: "
            f"expected at most {_MOST_PARTS}, {_MOST_KINDS} and {_MOST_NETWORKS:,}; remove networks"
        )
    try:
        found = fitted(table)
        if found.fit is not None:
            for value, name in ((found.fit, "fit"), (found.fit.held_out, "held_out"), (found.fit.plain, "plain")):
                check_fields(value, name)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            f"{source}: no fit to its networks could be found ({cut(first_line(error), 200)}); {_AGAIN}"
        ) from None
    return found


def _check_fit(table: TableContents, fit: Fit, source: str) -> None:
    """Refuse a fit that cannot be of this table."""
    kinds = dict.fromkeys(part.kind for part in table.parts.values())
    for name, keys in (("scales", kinds), ("launches_ms", kinds), ("parts_ms", table.parts)):
        if lacking := next((key for key in keys if key not in getattr(fit, name)), None):
            raise UsageError(f"{source}: the key fit.{name} lacks {lacking!r}; {REMAKE}")
    _check_residuals(fit, source)
    errors = [abs(_predicted(table, fit, one) / one.latency_ms - 1) for one in table.networks] or [0.0]
    mean, told = sum(errors) / len(errors), fit.held_out.mean_error
    # One network that something else held up is as far off while it is held out.
    alone = _held_out(fit) if len(fit.residuals) == len(errors) else [told] * len(errors)
    worst = any(error > _MISSED * one + _WORST for error, one in zip(errors, alone, strict=True))
    if mean > _MISSED * told + _MEAN or worst:
        raise UsageError(
            f"{source}: its fit misses its own networks by {mean:.0%} on average and {max(errors):.0%} at worst, but "
            f"claims {told:.1%} on others: one of them was edited; {_AGAIN}"
        )


def _check_residuals(fit: Fit, source: str) -> None:
    """Refuse errors of held-out networks that are others than the fit tells the mean of."""
    if not fit.residuals:
        return
    told = fit.held_out.mean_error
    mean = sum(_held_out(fit)) / len(fit.residuals)
    if len(fit.residuals) != fit.networks or abs(mean - told) > NEAR * max(mean, told, NEAR):
        raise UsageError(
            f"{source}: fit.residuals has {len(fit.residuals)} values of mean error {mean:.2%}, but the fit claims "
            f"{fit.networks} networks and {told:.2%}: one of them was edited; {_AGAIN}"
        )


def _held_out(fit: Fit) -> list[float]:
    """Return how far off, as a share of what was measured, the fit was for each network while it was held out."""
    return [abs(1 / max(1 + off, 1e-12) - 1) for off in fit.residuals]


def _predicted(table: TableContents, fit: Fit, network: CostNetwork) -> float:
    runs = table.runs(network.architecture)
    return fit.constant_ms + sum(count * fit.parts_ms[key] for key, count in runs.items())
