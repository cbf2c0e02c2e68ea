"""What the shell offers where Tab is pressed: recipes, runs, runtimes and formats; found without importing torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

RUNTIMES = ("eager", "compiled", "onnxruntime", "openvino", "executorch")
QUANTIZERS = ("onnxruntime", "openvino", "executorch")
FORMATS = ("pt2", "onnx", "openvino", "executorch", "huggingface")
DEVICES = ("cpu", "cuda")
BASELINES = ("random", "drawn", "greedy", "knapsack", "nsga2", "single", "scaled")
# The registries of these import torch, for which no one waits at a prompt; a test compares them.

_RUN, _MEMBER, _CONFIG = "family.json", "architecture.json", "config.json"
_MOST = 200
"""Folders that are looked into: a prompt must not hang in a large one."""


def recipes(incomplete: str) -> list[str]:
    """Return built-in recipes and recipe files that begin with `incomplete`."""
    from archdial.runs.recipe_file import recipe_names

    files = (path for path in _entries(incomplete) if path.endswith((".yaml", ".yml")))
    return [*_beginning(incomplete, recipe_names()), *files]


def runs(incomplete: str) -> list[str]:
    """Return the folders of searches that begin with `incomplete`, here or one folder below."""
    return list(_folders(incomplete, (_RUN, _CONFIG)))


def runs_and_members(incomplete: str) -> list[str]:
    """Return the folders of searches and of saved members that begin with `incomplete`."""
    return list(_folders(incomplete, (_RUN, _CONFIG, _MEMBER)))


def recipes_and_runs(incomplete: str) -> list[str]:
    """Return recipes and the folders of searches that begin with `incomplete`."""
    return [*recipes(incomplete), *runs(incomplete)]


def data_sources(incomplete: str) -> list[str]:
    """Return `digits`, and folders that begin with `incomplete`."""
    return [*_beginning(incomplete, ("digits",)), *(one for one in _entries(incomplete) if Path(one).is_dir())]


def one_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what completes one of `names`."""
    known = tuple(names)

    def complete(incomplete: str) -> list[str]:
        return _beginning(incomplete, known)

    return complete


def some_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what completes the last of several `names`, separated by commas."""
    known = tuple(names)

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{name}" for name in _beginning(last, known) if name not in given]

    return complete


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _entries(incomplete: str) -> list[str]:
    """Return the files and folders that begin with `incomplete`, a path, as it is typed."""
    folder, slash, name = incomplete.rpartition("/")
    try:
        with os.scandir(f"{folder}{slash}" or ".") as found:
            names = sorted(entry.name for entry, _ in zip(found, range(10 * _MOST), strict=False))
    except OSError:
        return []
    shown = (one for one in names if name.startswith(".") or not one.startswith("."))
    return [f"{folder}{slash}{one}" for one in shown if one.startswith(name)]


def _folders(incomplete: str, files: tuple[str, ...]) -> Iterator[str]:
    """Yield the folders with one of `files`, among those that begin with `incomplete` and the folders in them."""
    for path in [one for one in _entries(incomplete) if Path(one).is_dir()][:_MOST]:
        inner = [one for one in _entries(f"{path}/") if Path(one).is_dir()][:_MOST]
        yield from (one for one in (path, *inner) if any(Path(one, name).is_file() for name in files))
