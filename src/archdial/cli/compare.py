"""archdial compare: a run against baselines on the same supernet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli import completing
from archdial.cli.app import app
from archdial.cli.evaluate import Split, header
from archdial.cli.following import report_next
from archdial.cli.options import Data, Json, Model, On, RunArgument, Seed, Trust
from archdial.cli.output import show
from archdial.cli.results import check_results
from archdial.common.bounds import MOST_COUNT, MOST_POSITIONS

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.common.progress import Bar
    from archdial.comparing.baselines import Baseline, School
    from archdial.comparing.curves import Comparison
    from archdial.data import Seen
    from archdial.runs.recipe import Recipe
    from archdial.runs.run_data import FinishedRun

Baselines = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated names: random, drawn, greedy, knapsack, nsga2, single, scaled.",
        show_default="all that need no training and whose libraries are installed",
        autocompletion=completing.some_of(completing.BASELINES),
    ),
]
Evaluations = Annotated[
    int | None,
    typer.Option(
        "--budget",
        min=1,
        max=MOST_COUNT,
        help="Evaluations per baseline.",
        show_default="as many as the search used",
    ),
]


@app.command(epilog="Example: archdial compare runs/digits --baselines random,greedy")
def compare(
    run: RunArgument,
    baselines: Baselines = None,
    budget: Evaluations = None,
    split: Annotated[Split, typer.Option(help="Split on which members are scored.")] = "test",
    count: Annotated[int, typer.Option(min=2, max=MOST_POSITIONS, help="Maximum number of members per front.")] = 24,
    data: Data = None,
    seed: Seed = None,
    on: On = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Compare a run with baselines.

    Like the search, each baseline finds members of the same supernet by evaluating them on validation data. The members
    are then scored on the split, and their latency is measured. Areas, hypervolumes and budgets are relative to the
    latency of the whole network; the reference point is that latency at accuracy 0. For scores that are not fractions,
    such as errors, the worst member's score takes the place of accuracy 0.
    """
    from archdial.common.progress import Bar
    from archdial.runs.folder import COMPARISON
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run

    check_results(run)
    family, chosen = open_family(run, model, trust=trust), _chosen(baselines)
    with Bar() as bar:
        finished = finished_run(run, family, data, on, trust=trust)
        value = write_comparison(finished, chosen, budget, split, count, seed or 0, bar)
    lines = f"comparison saved in {run / COMPARISON}; next: archdial report {run}"
    then = report_next(run, on, data=data, model=model, trust=trust)
    show(value, table_of(value), lines, as_json=json, then=then)


def write_comparison(
    finished: FinishedRun,
    baselines: Mapping[str, Baseline],
    budget: int | None,
    split: Split,
    count: int,
    seed: int,
    bar: Bar,
) -> dict[str, Any]:
    """Compare a run with `baselines`; write comparison.json and return what it holds."""
    from archdial.common.documents import sealed
    from archdial.common.files import write_json
    from archdial.comparing.curves import compared, search_baselines
    from archdial.comparing.measured import evaluator_of
    from archdial.networks.pretrained import Pretrained
    from archdial.runs.folder import COMPARISON

    run, family, seen = finished.run, finished.family, finished.data.seen
    judging = finished.split(split)
    judge = evaluator_of(family, seen, run.recipe.search.evaluation_images)
    budget = len(family.archive) if budget is None else budget
    school = _school(run.recipe, seen, bar)
    found = search_baselines(family, judge, baselines, budget=budget, seed=seed, school=school, bar=bar)
    comparison = compared(family, found, judging, split, count=count, bar=bar)
    value = {
        **header("archdial.comparison", run, family),
        f"{family.task.measure.name}_split": split,
        **_comparison_json(comparison, isinstance(family.network, Pretrained)),
    }
    if areas := run.recipe.published_areas:
        value["published_areas"] = areas
    write_json(run.folder / COMPARISON, sealed(value))
    return value


def _school(recipe: Recipe, seen: Seen, bar: Bar) -> School:
    """Return as many epochs for baselines that train as the run's own weights had."""
    from dataclasses import replace

    from archdial.comparing.baselines import School
    from archdial.runs.network_settings import GateSettings

    trained = isinstance(recipe.network, GateSettings)
    settings = recipe.train if trained else replace(recipe.train, epochs=recipe.search.epochs)
    return School(seen.weights, seen.validation, recipe.search.evaluation_images, settings, bar)


def _comparison_json(comparison: Comparison, pretrained: bool) -> dict[str, Any]:
    full = comparison.full
    name = "the untouched network" if pretrained else "the most expensive network"
    return {
        "full": {"name": name, **full.to_json()},
        "reference": {"latency_ms": full.latency_ms, full.measure.name: comparison.worst},
        "methods": [curve.to_json() for curve in comparison.curves],
    }


def _chosen(names: str | None) -> dict[str, Baseline]:
    from importlib.util import find_spec

    from archdial.common.errors import unknown
    from archdial.comparing.baselines import BASELINES

    if names is None:
        quick = {name: one for name, one in BASELINES.items() if not one.trains}
        return {name: one for name, one in quick.items() if not one.needs or find_spec(one.needs)}
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in BASELINES:
            raise unknown("baseline", name, BASELINES)
    return {name: BASELINES[name] for name in asked}


def table_of(value: dict[str, Any]) -> Table:
    """Return the areas of a comparison as a table."""
    from rich.table import Table

    from archdial.report.wording import score_text
    from archdial.tasks.measure import Measure

    full, methods, measure = value["full"], value["methods"], Measure.of(value["score"])
    whole, split = score_text(full[measure.name], measure), value[f"{measure.name}_split"]
    title = f"{full['name']}: {whole} at {full['latency_ms']:.3g} ms, {split}"
    table = Table(title=title)
    table.add_column("method")
    shares = [point["share"] for point in methods[0][f"{measure.name}_within"]]
    budgets = [f"{measure.unit} within {share:g}".lstrip() for share in shares]
    published = value.get("published_areas", {})
    areas = ("area under the curve", "published") if published else ("area under the curve",)
    for heading in ("evaluations", "seconds", *areas, "hypervolume", *budgets, f"best {measure.heading}"):
        table.add_column(heading, justify="right")
    for method in methods:
        best = max(method["members"], key=lambda member: measure.merit(member[f"validation_{measure.name}"]))
        seconds = "–" if method["seconds"] is None else f"{method['seconds']:.0f}"
        theirs = (f"{published[method['name']]:.3f}" if method["name"] in published else "–",) if published else ()
        row = (str(method["evaluations"]), seconds, f"{method['area']:.3f}", *theirs, f"{method['hypervolume']:.3f}")
        reached = [point[measure.name] for point in method[f"{measure.name}_within"]]
        within = ("–" if score is None else measure.text(score) for score in reached)
        table.add_row(method["name"], *row, *within, measure.text(best[measure.name]))
    return table
