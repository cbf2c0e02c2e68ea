"""archdial profile --recalibrate: the times of a table, or of a run's, at the pace of this machine now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdial.cli.output import show

if TYPE_CHECKING:
    from archdial.common.progress import Bar
    from archdial.cost.making.pace import Pace


@dataclass(frozen=True)
class Given:
    """What the call says of the network: data and weights of a recipe, and code that makes the model; see `profile`."""

    data: str | None
    weights: Path | None
    model: str | None
    on: str | None
    trust: bool


def recalibrated(source: str, file: Path | None, given: Given, *, as_json: bool) -> None:
    """Scale the table in `file`, of the recipe `source`, or without a file that of the run `source`, and tell the pace.

    Raises:
        UsageError: there is no such table or run, or it cannot be measured here.
        RunError: a network does not run on the table's runtime.
    """
    from archdial.common.progress import Bar

    with Bar() as bar:
        if file is None:
            place, pace = _run(Path(source), given, bar)
        else:
            place, pace = _file(source, file, given, bar)
    value: dict[str, Any] = {"table": str(place), **pace.to_json(), "uneven": pace.uneven}
    show(value, *_lines(pace), f"table in {place}, all its times × {pace.ratio:.3f}", as_json=as_json)


def _file(source: str, file: Path, given: Given, bar: Bar) -> tuple[Path, Pace]:
    from archdial.common.errors import UsageError
    from archdial.cost.making import recalibrating
    from archdial.cost.table.table import CostTable
    from archdial.runs.folder import CONFIG, TABLE, check_writable
    from archdial.runs.recipe import load_recipe
    from archdial.runs.run_data import read_whole

    if given.on is not None:
        raise UsageError("--on: only for the table of a run; leave it out, --table names the one")
    if file.name == TABLE and (file.parent / CONFIG).exists():
        raise UsageError(
            f"{file} is what a search began with, which goes on with no other: name the run, {file.parent}"
        )
    check_writable(file.absolute().parent, "copy the table to where you may write")
    chosen = load_recipe(source).changed(data=given.data, weights=given.weights, model=given.model)
    whole = read_whole(chosen, trust=given.trust or given.data is not None)
    network = chosen.network.make(whole, trust=given.trust or given.model is not None)
    table = CostTable.load(file, network.space)
    found, pace = recalibrating.recalibrated(network, table, bar.part("pace", 1).upto)
    return found.save(file), pace


def _run(folder: Path, given: Given, bar: Bar) -> tuple[Path, Pace]:
    """Scale the table in the family of a run; its table.json stays, as that tells what the search began with."""
    from archdial.cli.results import check_results
    from archdial.common.errors import UsageError
    from archdial.common.folder_lock import locked
    from archdial.families.recalibrating import at_pace
    from archdial.families.storage import FAMILY, save_family
    from archdial.runs.opening import open_family

    if not folder.is_dir():
        raise UsageError(
            f"--recalibrate {folder}: no run there; name a folder that `archdial search --out` wrote, or a recipe and "
            "its table by --table"
        )
    if given.data is not None or given.weights is not None:
        raise UsageError("--data and --weights: a run has its own; leave them out")
    check_results(folder)
    with locked(folder, "archdial profile --recalibrate"):
        family = open_family(folder, given.model, trust=given.trust)
        found, pace = at_pace(family.on(given.on), bar.part("pace", 1).upto)
        # Who asks for no device goes on to be answered for the one of before.
        save_family(found.on(family.device), folder)
    return folder / FAMILY, pace


def _lines(pace: Pace) -> list[str]:
    told = f"{len(pace.ratios)} networks take {pace.ratio:.3f} times what the table said"
    if math.isfinite(pace.noise):
        told += f", give or take {pace.noise:.1%}"
    if not pace.drifted:
        told += ": no more than noise explains, or below 5 %"
    uneven = "they drifted so differently that no factor mends it: profile again"
    return [told, uneven] if pace.uneven else [told]
