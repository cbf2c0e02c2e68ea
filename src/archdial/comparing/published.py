"""Published figures at some dial positions, next to those of a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from archdial.common.limits import CountOrNone, Name, Number, Share, Tally
from archdial.common.validation import check_fields
from archdial.families.family import Family

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

    name: Name
    position: Number | tuple[Number, ...]
    accuracy: Share
    parameters: Tally | None = None
    counts: dict[str, CountOrNone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "published")


def beside(family: Family, rows: Sequence[Published]) -> list[dict[str, Any]]:
    """Return each published row with the member that `family` has at its position, or next to it, as JSON.

    Raises:
        UsageError: a position is not on the dial of `family`.
    """
    found = []
    for row in rows:
        asked = torch.as_tensor(row.position, dtype=torch.float32).reshape(-1)
        member = family.at(family.dial.nearest(asked))
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
