"""archdial search: one search, from a recipe to a family."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli.app import app
from archdial.cli.following import pick_next
from archdial.cli.options import Data, Device, Json, Model, RecipeArgument, Resume, Seed, Trust
from archdial.cli.output import show
from archdial.common.bounds import MOST_COUNT

if TYPE_CHECKING:
    from archdial.families.family import Family
    from archdial.runs.folder import Run


@app.command(epilog="Example: archdial search fashion_mnist_3ops --data data/fashion_mnist --out runs/fashion")
def search(
    recipe: RecipeArgument,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/RECIPE")] = None,
    seed: Seed = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_COUNT, help="Epochs over the images reserved for the weights.", show_default="the recipe's"
        ),
    ] = None,
    device: Device = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the trained network to prune.", show_default="the recipe's")
    ] = None,
    model: Model = None,
    trust: Trust = False,
    resume: Resume = False,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE",
            help="Cost table to use instead of measuring one; repeat with NAME= for several devices.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run a search and write a run folder.

    A recipe may name your own code for the network or the data, as module:callable. It is only called if you name it
    with --model or --data, or pass --trust; a file on its own never causes code to run.
    """
    from archdial.common.progress import Bar
    from archdial.cost.table.several import named_files
    from archdial.runs.beginning import new_run, resumed_run
    from archdial.runs.recipe import load_recipe

    chosen, tables = load_recipe(recipe), named_files(table) if table else None
    folder = out or Path("runs") / chosen.name
    begun = (
        partial(resumed_run, seed=seed, device=device)
        if resume
        else partial(new_run, seed=seed or 0, device=device or "cpu")
    )
    run = begun(folder, chosen, data=data, epochs=epochs, weights=weights, model=model, trust=trust)
    given = {
        "--data": data,
        "--out": folder,
        "--seed": seed,
        "--epochs": epochs,
        "--weights": weights,
        "--device": device,
        "--model": model,
    }
    with Bar() as bar:
        family = guarded(run, _again(recipe, given, trust), bar, tables)
    title = f"best of {len(family.archive)} evaluated members, {family.task.measure.name} on validation"
    if any(item.judged is not None for item in family.archive):
        title += "; ranked by what all proxies and scores agree on"
    show_family(family, folder, title, f"family saved in {folder}; next: archdial evaluate {folder}", json)


def guarded(run: Run, again: str, bar: Any, table: Path | Mapping[str, Path] | None = None) -> Family:
    """Search; an interruption names the command `again`, which goes on."""
    from archdial.runs.folder import CONFIG
    from archdial.runs.search_run import search_run
    from archdial.training.loop import Interrupted

    try:
        return search_run(run, table=table, bar=bar)
    except (Interrupted, KeyboardInterrupt) as error:
        if not (run.folder / CONFIG).exists():
            raise Interrupted("interrupted before the search started; nothing was written") from error
        raise Interrupted(f"interrupted; progress is saved in {run.folder}; resume with: {again}") from error


def _again(recipe: str, given: Mapping[str, object], trust: bool) -> str:
    options = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
    options += ["--trust"] if trust else []
    return shlex.join(["archdial", "search", recipe, *options, "--resume"])


def show_family(family: Family, folder: Path, title: str, following: str, as_json: bool) -> None:
    """Show the members of the front of `family`, which is in the run `folder`."""
    from archdial.comparing.published import published_table
    from archdial.cost.pricing.expected import ranges
    from archdial.report.console import members_table

    members = [member.to_json() for member in family.front()]
    value = {
        "run": str(folder),
        "seed": family.info.get("seed"),
        "device": family.device,
        "devices": family.device_names,
        "dial": family.dial.to_json(),
        "range": ranges(family.costs),
        "members": members,
    }
    people: list[Any] = [members_table(members, title, family.task.measure)]
    if rows := published_rows(family):
        value["published"] = rows
        people.append(published_table(rows))
    if areas := family.info.get("config", {}).get("published_areas"):
        value["published_areas"] = areas
        told = ", ".join(f"{method} {area:g}" for method, area in areas.items())
        people.append(f"published areas under the curve: {told}; to compare with ours: archdial compare {folder}")
    on = family.device if family.device_names else None
    show(value, *people, following, as_json=as_json, then=pick_next(folder, ranges(family.costs), on))


def published_rows(family: Family) -> list[dict[str, Any]]:
    """Return what the recipe of `family` says that a paper had, each row beside what the family has there.

    Raises:
        UsageError: it says something that cannot be.
    """
    from archdial.common.validation import conforming
    from archdial.comparing.published import Published, beside

    told = family.info.get("config", {}).get("published") or []
    rows: tuple[Published, ...] = conforming(tuple[Published, ...], told, "published")
    return beside(family, rows)
