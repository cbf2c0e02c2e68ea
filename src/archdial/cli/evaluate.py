"""archdial evaluate: measure the members along the dial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archdial.cli.app import app
from archdial.cli.following import command
from archdial.cli.options import Data, Json, Model, On, RunArgument, Trust
from archdial.cli.output import distinct, show
from archdial.cli.results import check_results
from archdial.common.bounds import MOST_POSITIONS

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.families.family import Family
    from archdial.runs.folder import Run
    from archdial.runs.run_data import FinishedRun

REPEATS = 12
"""How often each latency is measured; fewer than a cost table has, for there may be hundreds."""

Split = Literal["validation", "test"]


@app.command(epilog="Example: archdial evaluate runs/digits --split test")
def evaluate(
    run: RunArgument,
    split: Annotated[Split, typer.Option(help="Split on which members are scored.")] = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST_POSITIONS, help="Approximate number of dial positions.")] = 24,
    data: Data = None,
    on: On = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Measure the members along the dial.

    Writes accuracy, latency and size of the built modules to members.json in the run folder.
    """
    from archdial.common.progress import Bar
    from archdial.runs.folder import MEMBERS
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run

    check_results(run)
    family = open_family(run, model, trust=trust)
    with Bar() as bar:
        finished = finished_run(run, family, data, on, trust=trust, test_only=split == "test")
        value = measure_members(finished, split, count, bar)
    lines = f"members saved in {run / MEMBERS}; next: archdial report {run}"
    show(value, table_of(value), lines, as_json=json, then=command("report", run))


def measure_members(finished: FinishedRun, split: Split, count: int, bar: Any) -> dict[str, Any]:
    """Measure about `count` members of a run.

    They are written to members.json; what that holds is returned.
    """
    from archdial.common.documents import sealed
    from archdial.common.files import write_json
    from archdial.comparing.measured import with_latency, with_score
    from archdial.runs.folder import MEMBERS

    run, family = finished.run, finished.family
    examples = finished.split(split)
    members = with_score(family.along(count), examples, split, bar=bar)
    archive = [family.member(item.architecture) for item in family.archive]
    both = [*members, *archive]
    timed = [member.to_json() for member in with_latency(both, repeats=REPEATS, bar=bar)]
    value = {
        **header("archdial.members", run, family),
        "examples": examples.examples_told,
        "members": timed[: len(members)],
        "archive": [
            {name: row[name] for name in (family.task.measure.name, "latency_ms", "provenance")}
            for row in timed[len(members) :]
        ],
    }
    write_json(run.folder / MEMBERS, sealed(value))
    return value


def header(kind: str, run: Run, family: Family) -> dict[str, Any]:
    """Return what every file of figures about a run begins with: what it is, and how it came about."""
    from archdial.common.versions import versions
    from archdial.cost.pricing.expected import ranges
    from archdial.cost.table.machine import processor

    conditions = family.table.runtime
    how = f"{conditions['runtime']}, batch {conditions['batch_size']}, threads {conditions['threads']}"
    return {
        "format": kind,
        "version": 1,
        "config": run.recipe.to_json(),
        "seed": run.seed,
        "versions": versions(),
        "device": f"{processor()}, {how}",
        "data": family.info.get("data", ""),
        "on": family.device,
        "dial": family.dial.to_json(),
        "kinds": list(family.space.kinds),
        "range": ranges(family.costs),
        "score": family.task.measure.to_json(),
    }


def table_of(members_json: dict[str, Any]) -> Table:
    """Return the distinct members of a members file as a table."""
    from archdial.report.console import members_table
    from archdial.tasks.measure import Measure

    members, measure = members_json["members"], Measure.of(members_json.get("score"))
    different = distinct(members)
    split = members[0]["provenance"][f"{measure.name}_split"]
    title = f"{len(members)} positions of the dial, {len(different)} different members, {measure.name} on {split}"
    return members_table(different, title, measure)
