"""Run folders: their contents, and the run described by config.json."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archdial.common.documents import check_seal, is_version, read_json
from archdial.common.errors import UsageError
from archdial.common.limits import Count, Seed, Text
from archdial.common.validation import validated
from archdial.common.versions import versions
from archdial.families.storage import FAMILY
from archdial.families.weights_file import WEIGHTS
from archdial.runs.recipe import Recipe, recipe_from_json
from archdial.searching.checkpoint import NAME as CHECKPOINT
from archdial.training.log import METRICS

FORMAT, VERSION = "archdial.run", 1
CONFIG, TABLE, MEMBERS, PAGE, PICTURE = "config.json", "table.json", "members.json", "report.html", "front.png"
COMPARISON, EXPERIMENTS = "comparison.json", "experiments.json"
NAMES = (CONFIG, TABLE, CHECKPOINT, METRICS, FAMILY, WEIGHTS, MEMBERS, COMPARISON, EXPERIMENTS, PAGE, PICTURE)
MEMBER = "member"
"""Folder of the member that the demo builds."""
REFINED, UNREFINED = "refined", "unrefined"
"""Folders of the members that were trained to correct the ranking, and of the family as it was before."""


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
        trust: whether code that a file names may be called. It is never written down, nor is `model`.
        begun: whether it is in its folder already.
        model, data: `module:callable` as the call named it, which is then what the recipe names.
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
    model: str | None = field(default=None, compare=False)
    table_sha256: str | None = field(default=None, compare=False)
    data: str | None = field(default=None, compare=False)

    @property
    def calls_code(self) -> bool:
        """Whether code that the recipe names may be called; see `make_model`."""
        return self.trust or self.model is not None

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


def read_run(folder: Path) -> Run:
    """Return the run in `folder`.

    Raises:
        UsageError: there is none, or its config.json is damaged.
    """
    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: pass a folder written by `archdial search --out`")
    path = folder / CONFIG
    value = read_json(path, "configuration of a run")
    if value.get("format") != FORMAT or not is_version(value.get("version"), VERSION):
        raise UsageError(f"{path} is not a configuration of version {VERSION}: pass a run folder")
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


def check_free(folder: Path) -> None:
    """Raise UsageError unless a run may begin in `folder`: it holds none, and may be written to."""
    held = [name for name in NAMES if name != TABLE and (folder / name).exists()]
    if held:
        raise UsageError(
            f"{folder} already contains a run ({held[0]}): choose another --out, or continue that run with --resume"
        )
    check_writable(folder)


def check_writable(folder: Path, fix: str = "choose another --out") -> None:
    """Raise UsageError, which ends in `fix`, unless `folder` is, or can become, a folder to write to."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is a file, expected a folder: {fix}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there} is not writable: {fix}")


def difference(stored: Any, asked: Any, path: str = "") -> str:
    """Return the first setting in which two JSON values differ, as text; empty if they are equal."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for name in dict.fromkeys([*stored, *asked]):
            if found := difference(stored.get(name), asked.get(name), f"{path}.{name}" if path else name):
                return found
        return ""
    return "" if stored == asked else f"{path} = {stored!r}, not {asked!r}"
