"""archdial experiments: the papers' experiments on one run, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli.app import app
from archdial.cli.evaluate import header
from archdial.cli.following import report_next
from archdial.cli.options import Data, Json, Model, On, RunArgument, Seed, Trust
from archdial.cli.output import show
from archdial.cli.results import check_results
from archdial.common.bounds import MOST_COUNT, MOST_POSITIONS

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.comparing.experiments.plateau import Point
    from archdial.runs.run_data import FinishedRun

PUBLISHED = ("random", "drawn", "greedy")
"""Baselines of the fourth experiment: those of the paper, and the best of as many random ones as the search saw."""


@app.command(epilog="Example: archdial experiments runs/resnet18_quarter_cifar10")
def experiments(
    run: RunArgument,
    count: Annotated[int, typer.Option(min=2, max=MOST_POSITIONS, help="Number of λ values and dial positions.")] = 10,
    epochs: Annotated[
        int, typer.Option(min=1, max=MOST_COUNT, help="Epochs over the validation images per λ; at least 100 steps.")
    ] = 1,
    data: Data = None,
    seed: Seed = None,
    on: On = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Reproduce the pruning paper's experiments on a run.

    (1) Gates optimised separately for each λ: plateau, fall and Λ. (2) One hypernetwork over that range. (3) The
    run against random and greedy search, as in `archdial compare`. (4) Relaxed against discrete accuracy.
    `archdial report` plots the results.
    """
    from archdial.cli import compare
    from archdial.common.progress import Bar
    from archdial.comparing.baselines import BASELINES
    from archdial.runs.folder import COMPARISON, EXPERIMENTS
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run

    check_results(run)
    family = open_family(run, model, trust=trust)
    published = {name: BASELINES[name] for name in PUBLISHED}
    with Bar() as bar:
        finished = finished_run(run, family, data, on, trust=trust)
        # Refused before minutes of work where there is none.
        finished.split("test")
        value = _write_experiments(finished, count, epochs, seed or 0, bar)
        comparison = compare.write_comparison(finished, published, None, "test", 24, seed or 0, bar)
    files = f"results saved in {run / EXPERIMENTS} and {run / COMPARISON}; next: archdial report {run}"
    then = report_next(run, on, data=data, model=model, trust=trust)
    both = {"experiments": value, "comparison": comparison}
    show(both, _table_of(value), compare.table_of(comparison), *_sentences(value), files, as_json=json, then=then)


def _write_experiments(finished: FinishedRun, count: int, epochs: int, seed: int, bar: Any) -> dict[str, Any]:
    from archdial.common.documents import sealed
    from archdial.common.files import write_json
    from archdial.comparing.experiments.plateau import alone, fall, penalties, together
    from archdial.comparing.experiments.relaxed import mean_difference, pairs
    from archdial.runs.folder import EXPERIMENTS

    run, family, seen = finished.run, finished.family, finished.data.seen
    settings, values = run.recipe.search, penalties(family, count)
    by_itself = alone(family, seen, settings, values, epochs=epochs, seed=seed, bar=bar)
    by_one = together(family, seen, settings, values, epochs=4 * epochs, seed=seed)
    both = pairs(family, seen, settings.evaluation_images, count=count, bar=bar)
    chance = family.task.chance
    value = {
        **header("archdial.experiments", run, family),
        "alone": {"points": _json(by_itself), "fall": fall(by_itself, chance), "chance": chance},
        "hypernetwork": {"points": _json(by_one)},
        "relaxed": {"points": [pair.to_json() for pair in both], "mean_difference": mean_difference(both)},
    }
    write_json(run.folder / EXPERIMENTS, sealed(value))
    return value


def _json(points: list[Point]) -> list[dict[str, float]]:
    return [point.to_json() for point in points]


def _table_of(value: dict[str, Any]) -> Table:
    from rich.table import Table

    from archdial.tasks.measure import Measure

    measure = Measure.of(value["score"])
    table = Table(title=f"{measure.heading} on validation and predicted latency (ms) by λ")
    table.add_column("λ", justify="right")
    for heading in ("each λ alone", "ms", "one hypernetwork", "ms"):
        table.add_column(heading, justify="right")
    for one, other in zip(value["alone"]["points"], value["hypernetwork"]["points"], strict=True):
        cells = [f"{one['lambda']:.3g}"]
        for point in (one, other):
            cells += [measure.text(point[measure.name]), f"{point['latency_ms']:.3g}"]
        table.add_row(*cells)
    return table


def _sentences(value: dict[str, Any]) -> list[str]:
    from archdial.tasks.measure import Measure

    found, measure = value["alone"]["fall"], Measure.of(value["score"])
    fallen = f"{measure.name} does not drop in this range"
    where = fallen if found is None else f"Λ, beyond which {measure.name} stays at its lowest: {found:.3g}"
    apart = measure.apart(value["relaxed"]["mean_difference"])
    return [where, f"relaxed and discrete {measure.name} along the dial differ by {apart} on average"]
