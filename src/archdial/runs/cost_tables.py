"""The cost tables of a run: named by its recipe, measured accordingly, or in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archdial.common.documents import read_json
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.common.progress import Bar, NoBar
from archdial.cost.making.profiling import profile
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.table.several import Tables, load_tables, tables_json
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Supernet
from archdial.runs.recipe import Recipe
from archdial.space import Space


def check_conditions(recipe: Recipe) -> None:
    """Raise UsageError unless this machine can measure as the recipe says, before anything is loaded for it."""
    chosen = recipe.profile
    Conditions.of(chosen.runtime, chosen.batch_size, chosen.threads, chosen.repeats, chosen.device)


def keep_tables(file: Path, costs: Tables) -> None:
    """Write `costs` to `file`, unless another table is there already.

    Raises:
        UsageError: there is.
    """
    value = tables_json(costs)
    if file.exists() and read_json(file, "cost table") != value:
        raise UsageError(f"{file} is not the cost table of this search: choose another --out, or delete it")
    write_json(file, value)


def named_tables(recipe: Recipe) -> Path | dict[str, Path] | None:
    """Return the file of the table that `recipe` names, or the files by name of their devices."""
    if recipe.tables is not None:
        return {name: Path(file) for name, file in recipe.tables.items()}
    return None if recipe.table is None else Path(recipe.table)


def loaded_tables(files: Path | Mapping[str, Path], space: Space) -> Tables:
    """Return the table, or the tables by name, in `files`, each checked against `space`."""
    if isinstance(files, Mapping):
        return {name: CostTable.load(file, space) for name, file in files.items()}
    return load_tables(files, space)


def cost_table(recipe: Recipe, network: Supernet, bar: Bar | NoBar) -> CostTable:
    """Measure a cost table as the recipe says."""
    chosen = recipe.profile
    return profile(
        network,
        runtime=chosen.runtime,
        batch_size=chosen.batch_size,
        threads=chosen.threads,
        device=chosen.device,
        networks=chosen.networks,
        repeats=chosen.repeats,
        progress=bar.part("profile", 1).upto,
    )
