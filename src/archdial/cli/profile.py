"""archdial profile: the cost table of a recipe's network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdial.cli.app import app
from archdial.cli.options import Data, Json, RecipeArgument
from archdial.cli.output import show

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.cost.table import CostTable


@app.command(epilog="Example: archdial profile digits --out table.json --runtime onnxruntime --threads 1")
def profile(
    recipe: RecipeArgument,
    out: Annotated[Path, typer.Option(help="File of the table.")],
    data: Data = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="eager, compiled, onnxruntime, openvino or executorch.", show_default="the recipe's"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that one call may use.", show_default="the recipe's")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images a batch.", show_default="the recipe's")] = None,
    device: Annotated[
        str | None, typer.Option(help="What is measured: cpu, cuda or cuda:N.", show_default="the recipe's")
    ] = None,
    json: Json = False,
) -> None:
    """Measure what each option costs.

    The table is one of this machine; `archdial search --table` reads it, here or on another one.
    """
    from archdial.config import load_recipe
    from archdial.cost.expected import ExpectedCost
    from archdial.data import load
    from archdial.files import write_json
    from archdial.progress import Bar
    from archdial.runs import check_conditions, cost_table

    _check_file(out)
    chosen = load_recipe(recipe).changed(data=data)
    chosen = chosen.profiled(runtime=runtime, threads=threads, batch_size=batch_size, device=device)
    check_conditions(chosen)
    network = chosen.network.make(load(chosen.data, channels=chosen.channels))
    with Bar() as bar:
        table = cost_table(chosen, network, None, bar)
    write_json(out, table.to_json())
    costs = {column: ExpectedCost(network.space, table, column) for column in ("latency_ms", "parameters", "flops")}
    value = {
        "table": str(out),
        "space": table.space,
        "runtime": dict(table.runtime),
        "range": {column: [cost.lowest, cost.highest] for column, cost in costs.items()},
    }
    show(value, _summary(table), f"table in {out}; next: archdial search {recipe} --table {out}", as_json=json)


def _check_file(path: Path) -> None:
    from archdial.cost.table import CostTable
    from archdial.errors import UsageError
    from archdial.runs import check_writable

    check_writable(path.parent)
    if not path.exists():
        return
    try:
        CostTable.load(path)
    except UsageError:
        raise UsageError(f"{path} exists and is no cost table that may be replaced: choose another --out") from None


def _summary(table: CostTable) -> Table:
    from rich.table import Table

    conditions = table.runtime
    where = f"{conditions['device_name']}, {conditions['runtime']}, batch {conditions['batch_size']}"
    shown = Table(title=f"mean cost of an option, {where}, threads {conditions['threads']}")
    shown.add_column("option")
    for heading in ("places", "latency ms", "parameters", "FLOPs"):
        shown.add_column(heading, justify="right")
    for name, rows in _by_option(table).items():
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        shown.add_row(name, str(len(rows)), f"{means[0]:.4f}", f"{means[1]:,.0f}", f"{means[2]:,.0f}")
    return shown


def _by_option(table: CostTable) -> dict[str, list[tuple[float, int, int]]]:
    found: dict[str, list[tuple[float, int, int]]] = {}
    for term in table.terms:
        for entry in term.entries:
            name = " + ".join(entry.options) or "what always runs"
            found.setdefault(name, []).append((entry.latency_ms, entry.parameters, entry.flops))
    return found
