"""archdial profile --recalibrate: scale a cost table, or a run's, to the current speed of this machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdial.cli.following import command
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

    @property
    def calls_model(self) -> bool:
        """Whether code that makes the model may be called where a file names it."""
        return self.trust or self.model is not None

    @property
    def calls_data(self) -> bool:
        """Whether code that makes the data may be called where a file names it."""
        return self.trust or self.data is not None

    def search_next(self, recipe: str, table: object) -> str:
        """Return the command that searches with `table`."""
        code = {"model": self.model, "trust": self.trust}
        return command("search", recipe, data=self.data, table=table, weights=self.weights, **code)


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
    then = given.search_next(source, place)
    if file is None:
        then = command("evaluate", source, on=given.on, model=given.model, trust=given.trust)
    lines = f"table saved in {place}, all times × {pace.ratio:.3f}"
    show(value, *_lines(pace), lines, as_json=as_json, then=then)


def _file(source: str, file: Path, given: Given, bar: Bar) -> tuple[Path, Pace]:
    from archdial.common.errors import UsageError
    from archdial.cost.making import recalibrating
    from archdial.cost.table.table import CostTable
    from archdial.runs.folder import CONFIG, TABLE, check_writable
    from archdial.runs.recipe import load_recipe
    from archdial.runs.run_data import read_whole

    if given.on is not None:
        raise UsageError("--on only applies to the table of a run: omit it, --table names the table")
    if file.name == TABLE and (file.parent / CONFIG).exists():
        raise UsageError(
            f"{file} belongs to a search that can only resume with it: pass the run, {file.parent}, instead"
        )
    check_writable(file.absolute().parent, "copy the table to a writable location")
    chosen = load_recipe(source).changed(data=given.data, weights=given.weights, model=given.model)
    whole = read_whole(chosen, trust=given.calls_data)
    network = chosen.network.make(whole, trust=given.calls_model)
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
            f"--recalibrate {folder}: not a run; pass a folder written by `archdial search --out`, or a recipe and "
            "its table with --table"
        )
    if given.data is not None or given.weights is not None:
        raise UsageError("--data and --weights: a run has its own, so omit them")
    check_results(folder)
    with locked(folder, "archdial profile --recalibrate"):
        family = open_family(folder, given.model, trust=given.trust)
        found, pace = at_pace(family.on(given.on), bar.part("pace", 1).upto)
        # Without --on, commands keep answering for the same device as before.
        save_family(found.on(family.device), folder)
    return folder / FAMILY, pace


def _lines(pace: Pace) -> list[str]:
    told = f"{len(pace.ratios)} networks take {pace.ratio:.3f} times as long as the table says"
    if math.isfinite(pace.noise):
        told += f", ± {pace.noise:.1%}"
    if not pace.drifted:
        told += ": within noise, or below 5 %"
    uneven = "they drifted by different factors, so no single factor corrects the table: profile again"
    return [told, uneven] if pace.uneven else [told]
