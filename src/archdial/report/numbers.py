"""What a report shows: the members file checked and turned into plain numbers; nothing is drawn here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdial.errors import UsageError, unknown
from archdial.metrics import pareto_front
from archdial.report.fields import check_format, listed, mapping, number, share, text, texts, whole

FORMAT, VERSION = "archdial.members", 1

DialPosition = float | tuple[float, ...] | None
"""A scalar λ or budget, a simplex vector S, or None for a member that no dial position gave."""

_EDGE = re.compile(r"(?P<cell>.+)/(?P<node>\d+)<-(?P<source>\d+)")


@dataclass(frozen=True)
class Point:
    """One evaluated architecture: `accuracy` in [0, 1], `latency_ms` in milliseconds."""

    accuracy: float
    latency_ms: float


@dataclass(frozen=True)
class MemberNumbers(Point):
    """The figures of one member.

    Attributes:
        dial: the position that gave it.
        architecture: choice name to option name.
        parameters: how many.
        flops: floating-point operations of one input.
        counts: kind to the number of choices that take it.
        provenance: figure name to "measured" or "predicted", and "accuracy_split" to the split.
    """

    dial: DialPosition
    architecture: Mapping[str, str]
    parameters: int
    flops: int
    counts: Mapping[str, int]
    provenance: Mapping[str, str]

    def predicted(self, figure: str) -> bool:
        """Tell whether `figure` ("accuracy", "latency_ms", …) was predicted, not measured."""
        return self.provenance.get(figure) == "predicted"


@dataclass(frozen=True)
class ReportNumbers:
    """A members file, checked.

    Attributes:
        data: name of the data set.
        dial_kind: "scalar", "operation_simplex", "budget", …
        corners: names of the entries of a simplex dial; empty for any other.
        kinds: kinds of operations, in the order in which they get their colours.
        members: at least one.
        front: indices of the members on the Pareto front, by increasing latency.
        archive: all evaluated architectures; may be empty.
        latency_range: (lowest, highest) latency of the space in ms, if known.
        device: the device of the latencies, in words.
        seed: of the search.
        versions: package to version.
        config: of the search, as in the file.
    """

    data: str
    dial_kind: str
    corners: tuple[str, ...]
    kinds: tuple[str, ...]
    members: tuple[MemberNumbers, ...]
    front: tuple[int, ...]
    archive: tuple[Point, ...]
    latency_range: tuple[float, float] | None
    device: str
    seed: str
    versions: Mapping[str, str]
    config: Mapping[str, Any]

    def along_dial(self) -> list[int]:
        """Return the indices of the members by increasing scalar dial, for any other by latency."""
        members = self.members
        if all(isinstance(member.dial, float) for member in members):
            return sorted(range(len(members)), key=lambda i: (members[i].dial, members[i].latency_ms))
        return sorted(range(len(members)), key=lambda i: members[i].latency_ms)


@dataclass(frozen=True)
class CellEdge:
    """One edge of a cell: `operation` takes from node `source` to `node`; nodes 0 and 1 are the inputs."""

    source: int
    node: int
    operation: str


def report_numbers(members_json: Mapping[str, Any]) -> ReportNumbers:
    """Return the numbers of a members file.

    Raises:
        UsageError: it is no members file, or a value in it is missing or cannot be; the message says which.
    """
    check_format(members_json, FORMAT, VERSION, "archdial evaluate")
    kinds = tuple(text(kind, "kinds") for kind in listed(members_json, "kinds", "kinds"))
    rows = listed(members_json, "members", "members")
    if not rows:
        raise UsageError("the members file has no members: run `archdial evaluate` first")
    members = tuple(read_member(row, f"members[{i}]") for i, row in enumerate(rows))
    _check_kinds(members, kinds)
    dial = mapping(members_json.get("dial"), "dial")
    return ReportNumbers(
        data=str(members_json.get("data", "")),
        dial_kind=text(dial.get("kind"), "dial.kind"),
        corners=_corners(dial, kinds, members),
        kinds=kinds,
        members=members,
        front=_front(members_json, members),
        archive=tuple(
            read_point(row, f"archive[{i}]") for i, row in enumerate(listed(members_json, "archive", "archive", []))
        ),
        latency_range=_latency_range(members_json),
        device=str(members_json.get("device", "")),
        seed=str(members_json.get("seed", "")),
        versions={str(k): str(v) for k, v in mapping(members_json.get("versions", {}), "versions").items()},
        config=mapping(members_json.get("config", {}), "config"),
    )


def read_member(row: object, where: str) -> MemberNumbers:
    """Return the figures of the member `row` of a JSON file; `where` names it in errors.

    Raises:
        UsageError: a figure is missing or cannot be.
    """
    value = mapping(row, where)
    point = read_point(value, where)
    counts = mapping(value.get("counts", {}), f"{where}.counts")
    return MemberNumbers(
        accuracy=point.accuracy,
        latency_ms=point.latency_ms,
        dial=read_dial(value.get("dial"), f"{where}.dial"),
        architecture=texts(value.get("architecture", {}), f"{where}.architecture"),
        parameters=whole(value.get("parameters"), f"{where}.parameters"),
        flops=whole(value.get("flops"), f"{where}.flops"),
        counts={str(kind): whole(count, f"{where}.counts[{kind!r}]") for kind, count in counts.items()},
        provenance=texts(value.get("provenance", {}), f"{where}.provenance"),
    )


def cells_of(architecture: Mapping[str, str]) -> dict[str, list[CellEdge]]:
    """Return the edges of each cell: the choices called "cell/node<-source"; all others are left out."""
    cells: dict[str, list[CellEdge]] = {}
    for name, option in architecture.items():
        if match := _EDGE.fullmatch(name):
            edge = CellEdge(int(match["source"]), int(match["node"]), option)
            cells.setdefault(match["cell"], []).append(edge)
    return cells


def common_provenance(members: Sequence[MemberNumbers], figure: str) -> str:
    """Return how `figure` came about, e.g. "measured on test"; empty where members differ or say nothing."""
    said = {(m.provenance.get(figure, ""), m.provenance.get(f"{figure}_split", "")) for m in members}
    if len(said) != 1:
        return ""
    how, split = said.pop()
    return f"{how} on {split}" if how and split else how


def _check_kinds(members: Sequence[MemberNumbers], kinds: Sequence[str]) -> None:
    for kind in (kind for member in members for kind in member.counts):
        if kind not in kinds:
            raise unknown("kind of operation", kind, kinds)


def _corners(dial: Mapping[str, Any], kinds: tuple[str, ...], members: Sequence[MemberNumbers]) -> tuple[str, ...]:
    shapes = {len(m.dial) if isinstance(m.dial, tuple) else 0 for m in members if m.dial is not None}
    if len(shapes) > 1:
        raise UsageError(f"dial positions of different lengths {sorted(shapes)}: expected those of one dial")
    size = shapes.pop() if shapes else 0
    names = tuple(str(kind) for kind in dial.get("kinds") or kinds)
    return names if len(names) == size else tuple(f"S{i + 1}" for i in range(size))


def _front(value: Mapping[str, Any], members: Sequence[MemberNumbers]) -> tuple[int, ...]:
    if value.get("front") is None:
        return tuple(pareto_front([m.latency_ms for m in members], [m.accuracy for m in members]))
    indices = [whole(index, "front") for index in listed(value, "front", "front")]
    if any(index >= len(members) for index in indices):
        raise UsageError(f"front names member {max(indices)}: there are members 0 to {len(members) - 1}")
    return tuple(sorted(set(indices), key=lambda index: members[index].latency_ms))


def _latency_range(value: Mapping[str, Any]) -> tuple[float, float] | None:
    found = mapping(value.get("range") or {}, "range").get("latency_ms")
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 2:
        raise UsageError(f"range.latency_ms is {found!r}: expected [lowest, highest] in ms")
    return number(found[0], "range.latency_ms"), number(found[1], "range.latency_ms")


def read_point(row: object, where: str) -> Point:
    """Return accuracy and latency of the object `row` of a JSON file; `where` names it in errors."""
    value = mapping(row, where)
    return Point(
        share(value.get("accuracy"), f"{where}.accuracy"), number(value.get("latency_ms"), f"{where}.latency_ms")
    )


def read_dial(value: object, where: str) -> DialPosition:
    """Return the dial position `value` of a JSON file; `where` names it in errors."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return tuple(number(entry, where) for entry in value)
    return number(value, where, lowest=-math.inf)
