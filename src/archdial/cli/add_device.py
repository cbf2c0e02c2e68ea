"""archdial add-device: add a device to a finished search."""

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
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the device.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="The device's cost table.")],
    retrain: Annotated[
        bool, typer.Option(help="Retrain the dial for all devices; otherwise treat NAME like the most similar device.")
    ] = True,
    renew: Annotated[bool, typer.Option("--renew", help="Replace the table of an existing device.")] = False,
    seed: Seed = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Add a device to a finished run.

    The weights stay as they are. The dial is retrained from the evaluated architectures and the cost tables, in
    seconds, and each device gets a new range. Other commands then select the device with --on NAME.
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
        # Anything that cannot be shown afterwards must fail before anything is written.
        published_rows(added)
        # Without --on, commands keep answering for the same device as before.
        save_family(added.on(family.device or redialling.FIRST), run)
    devices = ", ".join(added.device_names)
    following = f"devices: {devices}; next: archdial pick {run} --on {name} --at …"
    show_family(added, run, f"best evaluated members on {name}", following, json)
