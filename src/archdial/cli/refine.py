"""archdial refine: train some members individually to correct the ranking of all."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli.app import app
from archdial.cli.following import pick_next
from archdial.cli.options import Data, Device, Epochs, Json, Model, On, Resume, RunArgument, Seed, Trust
from archdial.cli.output import show
from archdial.cli.results import check_results
from archdial.common.bounds import MOST_COUNT

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.runs.refine_run import Refined
    from archdial.tasks.measure import Measure


@app.command(epilog="Example: archdial refine runs/digits --members 6 --epochs 2")
def refine(
    run: RunArgument,
    members: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_COUNT, help="Number of members to train.", show_default="12"),
    ] = None,
    epochs: Epochs = None,
    scratch: Annotated[
        bool | None,
        typer.Option(
            "--scratch/--inherited",
            help="Train from new random weights, or continue from inherited ones.",
            show_default="--inherited for a pretrained network, otherwise --scratch",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Training processes, one thread each.", show_default="one per core; 1 on a GPU"
        ),
    ] = None,
    data: Data = None,
    seed: Seed = None,
    on: On = None,
    device: Device = None,
    model: Model = None,
    trust: Trust = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train some members to correct the ranking of all.

    Members spread over the costs of the front are trained individually on the images for the weights and scored
    on validation images; test images stay unseen. Their scores correct the ranking of all others, and the dial is
    retrained in seconds. The trained members are kept in RUN/refined, the previous family in RUN/unrefined.
    """
    from archdial.common.progress import Bar
    from archdial.cost.pricing.expected import ranges
    from archdial.runs.refine_run import Asked, refine_run
    from archdial.training.loop import Interrupted

    check_results(run)
    asked = Asked(members, epochs, scratch, seed, on, device, workers, data, model, trust)
    try:
        with Bar() as bar:
            result = refine_run(run, asked, resume=resume, bar=bar)
    except Interrupted as error:
        raise Interrupted(f"{error}; continue with: {_again(run, asked.data, model, trust=trust)}") from error
    value = report(result, run)
    following = f"the previous family is in {run / 'unrefined'}; next: archdial pick {run} --at …"
    then = pick_next(run, ranges(result.family.costs), on)
    show(value, table_of(value, result.family.task.measure), tau_line(value), following, as_json=json, then=then)


def _again(run: Path, data: str | None, model: str | None, *, trust: bool) -> str:
    given = [part for name, value in (("--data", data), ("--model", model)) if value for part in (name, value)]
    return shlex.join(["archdial", "refine", str(run), *given, *(["--trust"] if trust else []), "--resume"])


def report(result: Refined, run: Path) -> dict[str, Any]:
    """Return what a refinement found out, as JSON."""
    family, told, how = result.family, result.ranked, result.plan.schooling
    measure = family.task.measure
    before, after = _ranks(told.before, measure), _ranks(told.trained, measure)
    rows = []
    for place, one in enumerate(result.trained):
        member = family.member(one.architecture)
        foretold = None if told.foretold is None else told.foretold[place]
        ranks = {"before": before[place], "after": after[place]}
        rows.append({**member.to_json(), "name": one.name, "rank": ranks, "foretold": foretold})
    return {
        "run": str(run),
        "weights": how.weights,
        "epochs": how.settings.epochs,
        "seed": how.seed,
        "score": measure.to_json(),
        f"{measure.name}_split": "validation",
        "tau": {"before": told.tau_before, "after": told.tau_after},
        "trained": rows,
        "dial": family.dial.to_json(),
        "members": [member.to_json() for member in family.front()],
    }


def _ranks(scores: Sequence[float], measure: Measure) -> list[int]:
    """Return the rank of each score, 1 for the best; equal ones share the better rank."""
    merits = [measure.merit(score) for score in scores]
    return [1 + sum(other > own for other in merits) for own in merits]


def table_of(value: Mapping[str, Any], measure: Measure) -> Table:
    """Return the trained members, cheapest first, with where they stood before and stand now."""
    from rich.table import Table

    how = f"{value['weights']}, {value['epochs']} epochs"
    table = Table(
        title=f"{len(value['trained'])} members trained individually ({how}), {measure.heading} on validation"
    )
    for heading in ("member", "latency ms", "inherited", "rank before", "predicted", "trained", "rank after"):
        table.add_column(heading, justify="left" if heading == "member" else "right", no_wrap=True)
    for row in value["trained"]:
        guess = "~" if row["provenance"][measure.name] == "predicted" else ""
        foretold = "–" if row["foretold"] is None else measure.text(row["foretold"])
        table.add_row(
            row["name"],
            f"{row['latency_ms']:.3g}",
            guess + measure.text(row[measure.name]),
            str(row["rank"]["before"]),
            foretold,
            measure.text(row["after_training"][measure.name]),
            str(row["rank"]["after"]),
        )
    return table


def tau_line(value: Mapping[str, Any]) -> str:
    """Return Kendall's τ of the order before and after with that of the trained scores, as a sentence."""
    before, after = (
        "unknown" if tau is None else f"{tau:.2f}" for tau in (value["tau"]["before"], value["tau"]["after"])
    )
    return (
        f"Kendall's τ with the ranking after training: {before} inherited, {after} corrected "
        "(each member predicted from the others alone)"
    )
