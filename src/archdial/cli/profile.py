"""archdial profile: the cost table of a recipe's network on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli import completing
from archdial.cli.app import app
from archdial.cli.options import Data, Json, Model, On, Trust
from archdial.cli.output import show
from archdial.cli.profiled import agreements, interpolated, summary
from archdial.cli.recalibrating import Given, recalibrated
from archdial.cli.results import check_drawing
from archdial.common.bounds import MOST_COUNT

if TYPE_CHECKING:
    from archdial.common.progress import Bar
    from archdial.cost.making.checking import Check
    from archdial.cost.table.table import CostTable
    from archdial.networks.supernet import Supernet
    from archdial.runs.recipe import Recipe


@app.command(epilog="Example: archdial profile digits --out table.json --runtime onnxruntime --threads 1 --check")
def profile(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|RUN",
            help="A recipe (see `archdial recipes`) or a .yaml file; with --recalibrate, also a finished search.",
            autocompletion=completing.recipes_and_runs,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Output file for the table.", show_default=False)] = None,
    data: Data = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="eager, compiled, onnxruntime, openvino or executorch.",
            show_default="the recipe's",
            autocompletion=completing.one_of(completing.RUNTIMES),
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_COUNT, help="Threads per call.", show_default="the recipe's"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=MOST_COUNT, help="Images per batch.", show_default="the recipe's")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Device to measure: cpu, cuda or cuda:N.", show_default="the recipe's")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the trained network to prune.", show_default="the recipe's"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Also measure random networks that the table has not seen, and compare.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(help="An existing table to check or recalibrate.", show_default=False),
    ] = None,
    recalibrate: Annotated[
        bool,
        typer.Option(
            "--recalibrate",
            help="Time ten networks from --table or RUN again, and scale the table to this machine's current speed.",
        ),
    ] = False,
    on: On = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write a folder to measure with on a device without PyTorch.", show_default=False),
    ] = None,
    pte: Annotated[bool, typer.Option("--pte", help="Include ExecuTorch files in the bundle.")] = False,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Measure what each option costs on this machine, and fit the costs to whole networks.

    The table describes this machine; `archdial search --table` can read it here or elsewhere. For a device without
    PyTorch, --bundle writes a folder with a script that measures the table there. --check and `archdial pick --measure`
    warn when this machine's speed has drifted since the table was made; --recalibrate rescales a table, or a run's.
    """
    from archdial.runs.recipe import load_recipe

    given = Given(data, weights, model, on, trust)
    if recalibrate:
        others: dict[str, object] = {
            "--out": out,
            "--bundle": bundle,
            "--check": check,
            "--pte": pte,
            "--runtime": runtime,
        }
        others |= {"--threads": threads, "--batch-size": batch_size, "--device": device}
        _refuse(others, "--recalibrate keeps the table's own conditions: omit {}")
        recalibrated(recipe, table, given, as_json=json)
        return
    _refuse({"--on": on}, "{} only applies when recalibrating the table of a run: omit it")
    chosen = load_recipe(recipe).changed(data=data, weights=weights, model=model)
    chosen = chosen.profiled(runtime=runtime, threads=threads, batch_size=batch_size, device=device)
    if bundle is not None:
        others = {"--out": out, "--table": table, "--check": check, "--runtime": runtime, "--threads": threads}
        _refuse(others, "--bundle measures nothing on this machine: omit {}; measure.py has its own options")
        _bundle(recipe, chosen, bundle, pte, given, json)
        return
    file = _file(out, table, check)
    _refuse({"--pte": pte}, "{} only applies to --bundle: omit it")
    if table is not None:
        others = {"--runtime": runtime, "--threads": threads, "--batch-size": batch_size, "--device": device}
        _refuse(others, "{} only applies to a new table; --table has its own: omit it")
    _measure(recipe, chosen, out, table, file, check, given, json)


def _measure(
    recipe: str,
    chosen: Recipe,
    out: Path | None,
    table: Path | None,
    file: Path,
    check: bool,
    given: Given,
    json: bool,
) -> None:
    """Make a table, or take the one that is to be checked, and show what it says."""
    from archdial.common.progress import Bar
    from archdial.cost.table.table import CostTable
    from archdial.runs.cost_tables import check_conditions, cost_table
    from archdial.runs.run_data import read_whole

    if check:
        check_drawing("archdial profile --check", page=False)
    if table is None:
        check_conditions(chosen)
    whole = read_whole(chosen, trust=given.calls_data)
    network = chosen.network.make(whole, trust=given.calls_model)
    with Bar() as bar:
        bar.say(whole.summary)
        found = cost_table(chosen, network, bar) if table is None else CostTable.load(table, network.space)
        if out is not None:
            found.save(out)
        checked = _checked(network, found, bar) if check else None
    value, people = _value(file, network, found), [summary(found)]
    following = f"table saved in {file}; next: archdial search {recipe} --table {file}"
    if checked is not None:
        picture = _picture(file, checked, found)
        value |= {"check": {**checked.to_json(), "picture": str(picture)}}
        people.append(agreements(checked))
        following = f"plot saved in {picture}\n{following}"
    then = given.search_next(recipe, file)
    show(value, *people, *interpolated(found), following, as_json=json, then=then)


def _refuse(options: Mapping[str, object], problem: str) -> None:
    """Raise UsageError with the names of the options that were given, in place of {} in `problem`, if any was."""
    from archdial.common.errors import UsageError

    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(problem.format(", ".join(given)))


def _bundle(recipe: str, chosen: Recipe, folder: Path, pte: bool, given: Given, json: bool) -> None:
    from archdial.common.progress import Bar
    from archdial.cost.making.bundle import SCRIPT, write_bundle
    from archdial.runs.folder import check_writable
    from archdial.runs.run_data import read_whole

    check_writable(folder.absolute().parent)
    settings = chosen.profile
    whole = read_whole(chosen, trust=given.calls_data)
    network = chosen.network.make(whole, trust=given.calls_model)
    with Bar() as bar:
        bar.say(whole.summary)
        write_bundle(
            network,
            folder,
            batch_size=settings.batch_size,
            networks=settings.networks,
            pte=pte,
            progress=bar.part("bundle", 1).upto,
        )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    told = f"bundle ({size / 2**20:.1f} MiB) in {folder}; on the device: pip install numpy onnxruntime, python {SCRIPT}"
    following = f"then, back on this machine: archdial search {recipe} --table table.json"
    back = given.search_next(recipe, "table.json")
    then = f"copy {folder} to the device, run python {SCRIPT} there, and with the table.json that it writes: {back}"
    show({"bundle": str(folder), "bytes": size}, told, following, as_json=json, then=then)


def _file(out: Path | None, table: Path | None, check: bool) -> Path:
    from archdial.common.errors import UsageError
    from archdial.runs.folder import check_writable

    if (out is None) == (table is None):
        raise UsageError("pass --out for a new table, or --table to check an existing one")
    if table is not None:
        if not check:
            raise UsageError(
                "--table: an existing table can only be checked or recalibrated; add --check or --recalibrate"
            )
        check_writable(table.absolute().parent)
        return table
    assert out is not None
    _check_file(out)
    return out


def _checked(network: Supernet, table: CostTable, bar: Bar) -> Check:
    from archdial.cost.making.checking import check

    return check(network, table, progress=bar.part("check", 1).upto)


def _value(file: Path, network: Supernet, table: CostTable) -> dict[str, Any]:
    from archdial.cost.pricing.expected import by_column, ranges

    return {
        "table": str(file),
        "space": table.space,
        "runtime": dict(table.runtime),
        "doubt": table.doubt,
        **{key: table.runtime[key] for key in ("interpolated",) if key in table.runtime},
        "fit": None if table.fit is None else asdict(table.fit),
        "range": ranges(by_column(network.space, table)),
    }


def _picture(file: Path, checked: Check, table: CostTable) -> Path:
    from archdial.report.check_picture import write_check_picture

    title = f"{len(checked.measured)} unseen networks, {table.runtime['runtime']}"
    return write_check_picture(file.with_suffix(".check.png"), checked, title)


def _check_file(path: Path) -> None:
    from archdial.common.errors import UsageError
    from archdial.cost.table.table import CostTable
    from archdial.runs.folder import check_writable

    check_writable(path.parent)
    if not path.exists():
        return
    try:
        CostTable.load(path)
    except UsageError:
        raise UsageError(
            f"{path} exists and is not a cost table, so it is not overwritten: choose another --out"
        ) from None
