"""Running a search in its folder: started or resumed, to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from archdial.common.documents import digest, sealed
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.common.folder_lock import locked
from archdial.common.leftovers import clear_leftovers
from archdial.common.progress import Bar, NoBar
from archdial.cost.table.several import tables_json
from archdial.families.family import Family
from archdial.families.searched import as_family, told
from archdial.families.storage import save_family
from archdial.networks.pretrained import taught
from archdial.runs.cost_tables import cost_table, keep_tables, loaded_tables, named_tables
from archdial.runs.folder import CONFIG, NAMES, TABLE, Run, check_free
from archdial.runs.opening import open_family
from archdial.runs.run_data import data_of
from archdial.searching.first_look import check_batches, first_look
from archdial.searching.loop import Loop
from archdial.searching.state import begin


def search_run(run: Run, *, table: Path | Mapping[str, Path] | None = None, bar: Bar | NoBar | None = None) -> Family:
    """Begin or go on with `run`, to its end; return the family, which is then in its folder too.

    Nothing is written before recipe, data and table have proved right.

    Args:
        run: if its folder has a config.json, it goes on from its last checkpoint.
        table: file of a cost table, where neither that of the recipe counts nor one is to be measured; of several
            devices their files by name.

    Raises:
        UsageError: recipe, data and table do not go together, or another process is at work in the folder.
        RunError: the loss is not finite, or the run was interrupted.
    """
    with locked(run.folder, "a search"):
        # Another one may have begun there since this one was asked for, and be over by now.
        if not run.begun:
            check_free(run.folder)
        clear_leftovers(run.folder, NAMES)
        if run.finished:
            return open_family(run.folder, run.model, trust=run.trust, figures=True)
        return _searched(run, table, bar or NoBar())


def _searched(run: Run, table: Path | Mapping[str, Path] | None, bar: Bar | NoBar) -> Family:
    """Search in the folder that is held."""
    begun = run.begun
    data = data_of(run)
    bar.say(data.whole.summary)
    network = run.recipe.network.make(data.whole, trust=run.calls_code)
    # Before anything is measured, which takes minutes.
    check_batches(network, data.seen, taught(data.task, network), torch.device("cpu"))
    named = run.folder / TABLE if begun else table or named_tables(run.recipe)
    if named is None and (run.folder / TABLE).exists():
        raise UsageError(
            f"{run.folder} already contains a cost table: use it with --table {run.folder / TABLE}, or delete it"
        )
    costs = cost_table(run.recipe, network, bar) if named is None else loaded_tables(named, network.space)
    if begun and table is not None and loaded_tables(table, network.space) != costs:
        raise UsageError(f"the run in {run.folder} was started with a different table than {table}: omit --table")
    if run.table_sha256 not in (None, digest(tables_json(costs))):
        raise UsageError(f"{run.folder / TABLE} has changed since the run was started: restore a copy, or search again")
    recipe = run.recipe
    state = begin(network, data.seen, costs, recipe.make_dial(), recipe.search, run.seed, run.device, data.task)
    if not begun:
        keep_tables(run.folder / TABLE, costs)
        value = {**run.to_json(), "table_sha256": digest(tables_json(costs))}
        write_json(run.folder / CONFIG, sealed(value))
    told(first_look(state), bar)
    Loop(state, run.folder, bar).run(resume=begun)
    family = as_family(state, recipe.to_json())
    save_family(family, run.folder)
    return family
