"""archdial add-device: one more device for a search that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdial.cli.app import app
from archdial.cli.options import Json, Model, RunArgument, Seed, Trust
from archdial.cli.results import check_results
from archdial.cli.search import published_rows, show_family


@app.command(epilog="Example: archdial add-device runs/digits pi4 pi4.json")
def add_device(
    run: RunArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the device.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="File of its cost table.")],
    retrain: Annotated[
        bool, typer.Option(help="Train the dial anew, for all devices; else the new one is taken for what it is like.")
    ] = True,
    renew: Annotated[bool, typer.Option("--renew", help="Take the table for a device that is there already.")] = False,
    seed: Seed = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Add a device to a finished run.

    The weights stay; the dial is trained on what was evaluated and on the tables, which takes seconds, and the range of
    each device is found anew. Other commands then take the device by --on NAME.
    """
    from archdial.common.folder_lock import locked
    from archdial.cost.table.table import CostTable
    from archdial.families import redialling
    from archdial.families.storage import save_family
    from archdial.runs.opening import open_family

    check_results(run)
    with locked(run, "archdial add-device"):
        family = open_family(run, model, trust=trust, figures=True)
        costs = CostTable.load(table, family.space)
        added = redialling.add_device(family, name, costs, retrain=retrain, renew=renew, seed=seed or 0)
        # What cannot be shown afterwards is told before anything is written.
        published_rows(added)
        # Who asks for no device goes on to be answered for the one of before.
        save_family(added.on(family.device or redialling.FIRST), run)
    devices = ", ".join(added.device_names)
    following = f"devices: {devices}; next: archdial pick {run} --on {name} --at …"
    show_family(added, run, f"the best evaluated, for {name}", following, json)
