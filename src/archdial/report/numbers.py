"""The numbers of a report: the members file, checked and converted; nothing is drawn here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdial.common.errors import UsageError, cut, unknown
from archdial.common.metrics import pareto_front
from archdial.common.validation import validated
from archdial.report.members_file import DialFile, MembersFile
from archdial.report.points import MemberNumbers, Point
from archdial.report.result_file import by_accuracy, check_format, within
from archdial.tasks.measure import ACCURACY, Measure

FORMAT, VERSION = "archdial.members", 1
_COMMAND = "archdial evaluate"

# Three digits at most: a cell draws all nodes up to the last.
_EDGE = re.compile(r"(?P<cell>.+)/(?P<node>[0-9]{1,3})<-(?P<source>[0-9]{1,3})")


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
        on: which one of several devices that is; empty where there was one.
        seed: of the search.
        versions: package to version.
        config: of the search, as in the file.
        measure: of the scores.
        examples: that they were measured on, if known.
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
    measure: Measure
    examples: int | None = None
    on: str = ""

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
    check_format(members_json, FORMAT, VERSION, _COMMAND)
    if members_json.get("members") == []:
        raise UsageError(f"the members file is empty: run `{_COMMAND}` first")
    with within("members file", _COMMAND):
        return _numbers(validated(MembersFile, by_accuracy(dict(members_json))))


def read_member(row: object, where: str, measure: Measure = ACCURACY) -> MemberNumbers:
    """Return the figures of the member `row` of a JSON file, scored by `measure`; `where` names it in errors.

    Raises:
        UsageError: a figure is missing or cannot be.
    """
    member = validated(MemberNumbers, by_accuracy(dict(row), measure) if isinstance(row, Mapping) else row, where)
    measure.check_all(member.scores(where, measure.name))
    return member


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


def _numbers(file: MembersFile) -> ReportNumbers:
    _check_kinds(file.members, file.kinds)
    return ReportNumbers(
        data=file.data or "",
        dial_kind=file.dial.kind,
        corners=_corners(file.dial, file.kinds, file.members),
        kinds=file.kinds,
        members=file.members,
        front=_front(file),
        archive=file.archive,
        latency_range=_latency_range(file),
        device=file.device or "",
        seed="" if file.seed is None else str(file.seed),
        versions=file.versions,
        config=file.config,
        measure=file.score,
        examples=file.examples,
        on=file.on or "",
    )


def _check_kinds(members: Sequence[MemberNumbers], kinds: Sequence[str]) -> None:
    known = set(kinds)
    if len(known) < len(kinds):
        twice = next(kind for kind in kinds if kinds.count(kind) > 1)
        raise UsageError(f"kinds names {cut(twice)!r} twice: expected each kind once")
    for kind in (kind for member in members for kind in member.counts):
        if kind not in known:
            raise unknown("kind of operation", kind, kinds)


def _corners(dial: DialFile, kinds: tuple[str, ...], members: Sequence[MemberNumbers]) -> tuple[str, ...]:
    shapes = {len(m.dial) if isinstance(m.dial, tuple) else 0 for m in members if m.dial is not None}
    if len(shapes) > 1:
        raise UsageError(f"dial positions of different lengths {sorted(shapes)[:9]}: expected the same length for all")
    size = shapes.pop() if shapes else 0
    names = dial.kinds or kinds
    return names if len(names) == size else tuple(f"S{i + 1}" for i in range(size))


def _front(file: MembersFile) -> tuple[int, ...]:
    indices, members = file.front, file.members
    if indices is None:
        return tuple(pareto_front([m.latency_ms for m in members], [file.score.merit(m.score) for m in members]))
    if any(index >= len(members) for index in indices):
        raise UsageError(f"front refers to member {max(indices)}, but there are only members 0 to {len(members) - 1}")
    return tuple(sorted(set(indices), key=lambda index: members[index].latency_ms))


def _latency_range(file: MembersFile) -> tuple[float, float] | None:
    found = file.range.latency_ms if file.range else None
    return None if found is None else (found[0], found[1])
