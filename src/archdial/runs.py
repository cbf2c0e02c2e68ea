"""The folder of a run: what a search leaves there, and how it is begun, taken up again and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archdial.config import Recipe, absolute, recipe_from_json
from archdial.cost import machine
from archdial.cost.conditions import Conditions
from archdial.cost.profile import profile
from archdial.cost.table import CostTable
from archdial.cost.tables import Tables, load_tables, tables_json
from archdial.data import DataSet, SearchData, load, split
from archdial.documents import check_seal, digest, is_version, read_json, sealed
from archdial.errors import UsageError
from archdial.family import Family
from archdial.files import write_json
from archdial.folder_lock import locked
from archdial.leftovers import clear_leftovers
from archdial.limits import Count, Seed, Text
from archdial.networks.base import Supernet
from archdial.networks.closed import ClosedNetwork
from archdial.networks.gated.source import called_model
from archdial.progress import Bar, NoBar
from archdial.run import as_family
from archdial.searching.checkpoint import NAME as CHECKPOINT
from archdial.searching.log import METRICS
from archdial.searching.loop import Loop
from archdial.searching.state import begin
from archdial.space import Space
from archdial.storage import ARCHITECTURE, FAMILY, WEIGHTS, load_family, save_family
from archdial.validation import validated
from archdial.versions import versions

FORMAT, VERSION = "archdial.run", 1
CONFIG, TABLE, MEMBERS, PAGE, PICTURE = "config.json", "table.json", "members.json", "report.html", "front.png"
COMPARISON, EXPERIMENTS = "comparison.json", "experiments.json"
NAMES = (CONFIG, TABLE, CHECKPOINT, METRICS, FAMILY, WEIGHTS, MEMBERS, COMPARISON, EXPERIMENTS, PAGE, PICTURE)
MEMBER = "member"
"""Folder of the member that the demo builds."""


@dataclass(frozen=True)
class _ConfigFile:
    """What config.json holds."""

    recipe: dict[str, Any]
    seed: Seed
    device: Text
    epochs: Count | None
    demo: bool
    table_sha256: Text | None = None


@dataclass(frozen=True)
class Run:
    """One search and its folder.

    Attributes:
        recipe: as resolved: with the data and epochs that the call gave.
        epochs: those of the call, if it gave any.
        demo: whether `archdial demo` made it, which may then replace it.
        trust: whether code that the recipe names may be called; see `make_model`. It is never written down.
        begun: whether it is in its folder already.
        written: the recipe as it is there, setting by setting.
        table_sha256: digest of the cost table that it was begun with; None in a run of an older archdial.
    """

    folder: Path
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"
    epochs: int | None = None
    demo: bool = False
    trust: bool = False
    begun: bool = False
    written: Mapping[str, Any] | None = field(default=None, compare=False)
    table_sha256: str | None = field(default=None, compare=False)

    @property
    def finished(self) -> bool:
        """Whether its family is there."""
        return (self.folder / FAMILY).is_file()

    def to_json(self) -> dict[str, Any]:
        """Return the run as config.json has it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "recipe": self.recipe.to_json(),
            "seed": self.seed,
            "device": self.device,
            "epochs": self.epochs,
            "demo": self.demo,
            "versions": versions(),
        }


def new_run(
    folder: Path,
    recipe: Recipe,
    *,
    data: str | None = None,
    epochs: int | None = None,
    weights: Path | None = None,
    model: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    demo: bool = False,
    trust: bool = False,
) -> Run:
    """Return a run that is yet to begin; nothing is written.

    Raises:
        UsageError: the folder cannot be its own, or recipe, epochs and device do not go together.
    """
    _check_free(folder)
    machine.device(device)
    chosen = recipe.changed(data=data, epochs=epochs, weights=weights, model=model)
    chosen.network.check_ready()
    return Run(folder, chosen, seed, device, epochs, demo, trust or model is not None)


def read_run(folder: Path) -> Run:
    """Return the run in `folder`.

    Raises:
        UsageError: there is none, or its config.json is damaged.
    """
    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: name the folder that `archdial search --out` wrote")
    path = folder / CONFIG
    value = read_json(path, "configuration of a run")
    if value.get("format") != FORMAT or not is_version(value.get("version"), VERSION):
        raise UsageError(f"{path} is no configuration of version {VERSION}: name the folder of a run")
    check_seal(value, path, "restore a copy, or search again")
    try:
        file = validated(_ConfigFile, value)
        recipe = recipe_from_json(file.recipe)
    except UsageError as error:
        raise UsageError(f"{path} was edited or damaged ({error}): restore a copy") from None
    return Run(
        folder,
        recipe,
        file.seed,
        file.device,
        file.epochs,
        file.demo,
        begun=True,
        written=file.recipe,
        table_sha256=file.table_sha256,
    )


def resumed_run(
    folder: Path,
    recipe: Recipe,
    *,
    data: str | None = None,
    epochs: int | None = None,
    weights: Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    trust: bool = False,
) -> Run:
    """Return the run in `folder`, to go on with it; what the call leaves open is as it was.

    Raises:
        UsageError: there is no run, or it was begun with another recipe, seed, data or epochs.
    """
    if not (folder / CONFIG).exists():
        raise UsageError(f"no run to resume in {folder}: leave out --resume to begin one there")
    run = read_run(folder)
    stored = run.recipe.to_json()
    epochs = run.epochs if epochs is None else epochs
    # A relative path in a recipe means another folder elsewhere; what counts is where images and table came from.
    weights = weights or run.recipe.network.stored_weights
    asked = replace(
        recipe.changed(epochs=epochs, weights=weights, model=model),
        data=run.recipe.data if data is None else absolute(data),
        table=run.recipe.table,
        tables=run.recipe.tables,
    ).to_json()
    asked_all = {**asked, "seed": run.seed if seed is None else seed}
    if difference := _difference({**stored, "seed": run.seed}, asked_all):
        raise UsageError(
            f"the run in {folder} was begun with {difference}: resume it with its own recipe and options, "
            "or choose another --out"
        )
    device = device or run.device
    machine.device(device)
    return replace(run, device=device, trust=trust or model is not None)


def search(run: Run, *, table: Path | Mapping[str, Path] | None = None, bar: Bar | NoBar | None = None) -> Family:
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
            _check_free(run.folder)
        clear_leftovers(run.folder, NAMES)
        return load_family(run.folder, trust=run.trust) if run.finished else _searched(run, table, bar or NoBar())


def _searched(run: Run, table: Path | Mapping[str, Path] | None, bar: Bar | NoBar) -> Family:
    """Search in the folder that is held."""
    begun = run.begun
    whole, seen = load_data(run)
    network = run.recipe.network.make(whole, trust=run.trust)
    named = run.folder / TABLE if begun else table or _named(run.recipe)
    if named is None and (run.folder / TABLE).exists():
        raise UsageError(f"{run.folder} holds a cost table: use it by --table {run.folder / TABLE}, or remove it")
    costs = cost_table(run.recipe, network, bar) if named is None else _loaded(named, network.space)
    if begun and table is not None and _loaded(table, network.space) != costs:
        raise UsageError(f"the run in {run.folder} was begun with another table than {table}: leave out --table")
    if run.table_sha256 not in (None, digest(tables_json(costs))):
        raise UsageError(f"{run.folder / TABLE} was changed since the run was begun: restore a copy, or search again")
    recipe = run.recipe
    state = begin(network, seen, costs, recipe.make_dial(), recipe.search, run.seed, run.device)
    if not begun:
        _keep_tables(run.folder / TABLE, costs)
        value = {**run.to_json(), "table_sha256": digest(tables_json(costs))}
        write_json(run.folder / CONFIG, sealed(value))
    Loop(state, run.folder, bar).run(resume=begun)
    family = as_family(state, recipe.to_json())
    save_family(family, run.folder)
    return family


def load_data(
    run: Run, source: str | None = None, family: Family | None = None, *, test_only: bool = False
) -> tuple[DataSet, SearchData]:
    """Return the data of `run`, whole and as its search saw it.

    Args:
        source: where the images are now, if not where they were.
        family: what they have to fit.
        test_only: nothing but test images will be used, which may be others than those of the search.

    Raises:
        UsageError: the data cannot be loaded, or do not fit.
    """
    recipe = run.recipe
    if family is not None:
        _check_same(run, family)
    whole = load(recipe.data if source is None else source, channels=recipe.channels)
    if family is not None and (whole.classes != family.classes or whole.input_shape != family.network.input_shape):
        raise UsageError(
            f"the data {source or recipe.data!r} have {len(whole.classes)} classes and images of (channels, height, "
            f"width) {whole.input_shape}, the search saw {len(family.classes)} and {family.network.input_shape}: "
            "name the data of the search"
        )
    seen = split(whole, weights=recipe.weights, seed=run.seed, limit=recipe.limit)
    known = None if family is None else family.info.get("images", {}).get("sha256")
    if known not in (None, seen.digest) and not test_only:
        raise UsageError(
            f"the images or labels in {source or recipe.data!r} are not those of the search, some of which would then "
            "judge what they have trained: name the data of the search by --data"
        )
    return whole, seen


def _check_same(run: Run, family: Family) -> None:
    """Raise UsageError where config.json and family.json of a folder tell of different searches.

    By seed and recipe the images are parted into those that train and those that judge.
    """
    told = family.info.get("config")
    if run.written is None or not isinstance(told, dict) or "data" not in told:
        return
    difference = _difference({**told, "seed": family.info.get("seed")}, {**run.written, "seed": run.seed})
    if difference:
        raise UsageError(
            f"{run.folder / FAMILY} was searched with {difference} as {CONFIG} beside it says: restore a copy of the "
            "whole folder"
        )


def check_conditions(recipe: Recipe) -> None:
    """Raise UsageError unless this machine can measure as the recipe says, before anything is loaded for it."""
    chosen = recipe.profile
    Conditions.of(chosen.runtime, chosen.batch_size, chosen.threads, chosen.repeats, chosen.device)


def _keep_tables(file: Path, costs: Tables) -> None:
    value = tables_json(costs)
    if file.exists() and read_json(file, "cost table") != value:
        raise UsageError(f"{file} is another cost table than the search is for: choose another --out, or remove it")
    write_json(file, value)


def _named(recipe: Recipe) -> Path | dict[str, Path] | None:
    """Return the file of the table that `recipe` names, or the files by name of their devices."""
    if recipe.tables is not None:
        return {name: Path(file) for name, file in recipe.tables.items()}
    return None if recipe.table is None else Path(recipe.table)


def _loaded(files: Path | Mapping[str, Path], space: Space) -> Tables:
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


def open_family(folder: Path, model: str | None = None, *, trust: bool = False, figures: bool = False) -> Family:
    """Return the family of the run in `folder`, or say that its search is not over.

    Args:
        model: `module:callable` that makes the network, as the person at the keyboard names it.
        trust: call the code that the family's file names for it.
        figures: nothing will be built, so that a family whose code is not called will do.

    Raises:
        UsageError: there is no finished run, a file of it is damaged, or the network lacks code to run.
    """
    if (folder / CONFIG).exists() and not (folder / FAMILY).exists():
        raise UsageError(f"the search in {folder} is not finished: go on with `archdial search … --resume` first")
    family = load_family(folder, None if model is None else called_model(model), trust=trust)
    if not figures and isinstance(family.network, ClosedNetwork):
        family.network.refuse()
    return family


def forget_demo(folder: Path) -> None:
    """Remove an earlier run of the demo from `folder`; anything else is left alone."""
    if not (folder / CONFIG).is_file() or not read_run(folder).demo:
        return
    inner = [folder / MEMBER / name for name in (ARCHITECTURE, WEIGHTS)]
    # config.json last: until it goes, a second attempt knows whose files these are.
    names = [name for name in NAMES if name != CONFIG] + [CONFIG]
    for path in [*inner, *folder.glob("events.out.tfevents.*"), *(folder / name for name in names)]:
        path.unlink(missing_ok=True)
    clear_leftovers(folder, NAMES)
    clear_leftovers(folder / MEMBER, (ARCHITECTURE, WEIGHTS))


def _check_free(folder: Path) -> None:
    held = [name for name in NAMES if name != TABLE and (folder / name).exists()]
    if held:
        raise UsageError(
            f"{folder} already holds a run ({held[0]}): choose another --out, or go on with that one by --resume"
        )
    check_writable(folder)


def check_writable(folder: Path, fix: str = "choose another --out") -> None:
    """Raise UsageError, which ends in `fix`, unless `folder` is, or can become, a folder to write to."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is a file, expected a folder: {fix}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there} may not be written to: {fix}")


def _difference(stored: Any, asked: Any, path: str = "") -> str:
    """Return the first setting in which two JSON values differ, as text; empty if they are equal."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for name in dict.fromkeys([*stored, *asked]):
            if found := _difference(stored.get(name), asked.get(name), f"{path}.{name}" if path else name):
                return found
        return ""
    return "" if stored == asked else f"{path} = {stored!r}, not {asked!r}"
