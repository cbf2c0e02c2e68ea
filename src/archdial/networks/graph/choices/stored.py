"""Choices as stored in a file, and found again in a recaptured network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archdial.common.errors import UsageError, cut
from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation, find_operations
from archdial.networks.graph.choices.gate import OPTIONS, Gate
from archdial.networks.graph.choices.order import in_order
from archdial.networks.graph.choices.precision import OPTIONS as BITS
from archdial.networks.graph.choices.precision import Precision, find_quantizable
from archdial.networks.graph.choices.width import Width, options_named
from archdial.networks.graph.sizes import NO_WIDTHS
from archdial.networks.graph.widths.found import find_widths
from archdial.networks.graph.widths.group import STREAM
from archdial.networks.graph.widths.widths import Widths


def choices_json(choices: Sequence[GraphChoice], widths: Widths) -> dict[str, Any]:
    """Return gates, and widths where there are any, by the names of their choices; a width that may be 0 is in both."""
    found: dict[str, Any] = {
        "gates": {one.name: [operation.name for operation in one.operations] for one in choices if one.operations}
    }
    own = [one for one in choices if isinstance(one, Width)]
    if own:
        found["widths"] = {one.name: _width_json(one, widths) for one in own}
        found["streams"] = any(group.kind == STREAM for group in widths.groups)
    bits = {one.name: [layer.layer for layer in one.layers] for one in choices if isinstance(one, Precision)}
    return found | ({"precisions": bits} if bits else {})


def _width_json(width: Width, widths: Widths) -> dict[str, Any]:
    units = {widths.groups[number].name: list(kept) for number, kept in width.units.items()}
    return {"fractions": list(width.widths), "units": units}


def choices_of(value: Mapping[str, Any], captured: Captured) -> tuple[tuple[GraphChoice, ...], Widths]:
    """Return the choices that `choices_json` wrote, and the widths that they settle.

    Raises:
        UsageError: the network has other operations, or units.
    """
    operations = {operation.name: operation for operation in find_operations(captured)}
    gates = {name: Gate(name, _operations(names, operations)) for name, names in value["gates"].items()}
    told, bits = value.get("widths") or {}, _precisions(value, captured)
    if not told:
        return in_order((*gates.values(), *bits), NO_WIDTHS) if bits else tuple(gates.values()), NO_WIDTHS
    widths = find_widths(captured, streams=bool(value.get("streams")))
    slim = [_width(name, one, widths, gates.get(name)) for name, one in told.items()]
    alone = [gate for name, gate in gates.items() if name not in told]
    return in_order((*alone, *slim, *bits), widths), widths


def _precisions(value: Mapping[str, Any], captured: Captured) -> list[Precision]:
    told = value.get("precisions") or {}
    found = {one.layer: one for one in find_quantizable(captured)} if told else {}
    for layer in [layer for layers in told.values() for layer in layers]:
        if layer not in found:
            raise UsageError(f"the model has no layer {cut(layer)!r} that has int8: pass the model of the search")
    return [Precision(name, tuple(found[layer] for layer in layers)) for name, layers in told.items()]


def options_of(value: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the options of each choice that `choices_json` wrote, by its name."""
    gates, slim = value["gates"], value.get("widths") or {}
    widths = {name: options_named(one["fractions"], droppable=name in gates) for name, one in slim.items()}
    return dict.fromkeys(gates, OPTIONS) | widths | dict.fromkeys(value.get("precisions") or {}, BITS)


def _operations(names: Sequence[str], found: Mapping[str, Operation]) -> tuple[Operation, ...]:
    for name in names:
        if name not in found:
            raise UsageError(f"the model has no operation {cut(name)!r}: pass the model of the search")
    return tuple(found[name] for name in names)


def without_units(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `choices_json` wrote for a network of other widths: fractions say how many units are kept."""
    slim = {name: {**one, "units": dict.fromkeys(one["units"])} for name, one in value.get("widths", {}).items()}
    return {**value, "widths": slim}


def _width(name: str, value: Mapping[str, Any], widths: Widths, gate: Gate | None) -> Width:
    numbers = {group.name: number for number, group in enumerate(widths.groups)}
    fractions = tuple(map(float, value["fractions"]))
    units: dict[int, tuple[int, ...]] = {}
    for group, kept in value["units"].items():
        there = widths.groups[numbers[group]].units if group in numbers else 0
        kept = [max(1, round(fraction * there)) for fraction in fractions] if kept is None else kept
        if not there or there != kept[0] or len(kept) != len(fractions):
            raise UsageError(f"the model has no {kept[0]} units of {cut(group)!r}: pass the model of the search")
        units[numbers[group]] = tuple(map(int, kept))
    return Width(name, fractions, units, widths.groups[next(iter(units))].kind, gate)
