"""What a paper published at some positions of the dial, beside what a family has there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from archdial.errors import UsageError
from archdial.family import Family

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Published:
    """One row of a published table.

    Attributes:
        name: what the paper says of the position, as "conv penalised 0.70".
        position: on the dial.
        accuracy: on test images, in [0, 1].
        parameters: in the cells.
        counts: how many choices take each kind of option, or one of several kinds with | between.
    """

    name: str
    position: float | tuple[float, ...]
    accuracy: float
    parameters: int | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise UsageError(f"published accuracy {self.accuracy} of {self.name!r}: expected a share, from 0 to 1")


def check_areas(areas: Mapping[str, float]) -> None:
    """Raise UsageError unless every published area under a curve is a share."""
    for method, area in areas.items():
        if not 0 <= area <= 1:
            raise UsageError(f"published_areas.{method} = {area}: expected a share, from 0 to 1")


def beside(family: Family, rows: Sequence[Published]) -> list[dict[str, Any]]:
    """Return each published row with the member that `family` has at its position, as JSON.

    Raises:
        UsageError: a position is not on the dial of `family`.
    """
    found = []
    for row in rows:
        member = family.at(row.position)
        counts = family.space.counts(member.architecture)
        ours = {kinds: sum(counts.get(kind, 0) for kind in kinds.split("|")) for kinds in row.counts}
        found.append({"published": asdict(row), "ours": {**member.to_json(), "counts": ours}})
    return found


def published_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return what `beside` returned as a table; ours with inherited weights, on validation images."""
    from rich.table import Table

    table = Table(title="published (trained alone, test) and ours (inherited weights, validation)")
    table.add_column("position")
    kinds = list(rows[0]["published"]["counts"])
    for heading in ("accuracy %", "parameters in cells", *kinds):
        table.add_column(f"{heading} published", justify="right")
        table.add_column("ours", justify="right")
    for row in rows:
        theirs, ours = row["published"], row["ours"]
        cells = [f"{100 * theirs['accuracy']:.2f}", f"{100 * ours['accuracy']:.2f}"]
        cells += ["–" if theirs["parameters"] is None else f"{theirs['parameters']:,}", f"{ours['cell_parameters']:,}"]
        for kind in kinds:
            cells += [str(theirs["counts"][kind]), str(ours["counts"][kind])]
        table.add_row(theirs["name"], *cells)
    return table
