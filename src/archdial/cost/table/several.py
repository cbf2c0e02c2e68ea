"""One cost table, or several by device name, and their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archdial.common.documents import is_version, read_json
from archdial.common.errors import UsageError, cut, short
from archdial.common.limits import is_plain
from archdial.cost.table.table import CostTable
from archdial.space import Space

Tables = CostTable | Mapping[str, CostTable]

FORMAT, VERSION = "archdial.tables", 1


def tables_json(tables: Tables) -> dict[str, Any]:
    """Return a table, or several tables, as a JSON value."""
    if isinstance(tables, CostTable):
        return tables.to_json()
    each = {name: table.to_json() for name, table in tables.items()}
    return {"format": FORMAT, "version": VERSION, "tables": each}


def load_tables(path: Path, space: Space) -> Tables:
    """Return the table, or the tables by name of their device, in the file `path`.

    Raises:
        UsageError: the file is missing or damaged, or a table is not one of `space`.
    """
    value = read_json(path, "cost table")
    if value.get("format") != FORMAT:
        return CostTable.load(path, space)
    each = value.get("tables")
    if not is_version(value.get("version"), VERSION) or not isinstance(each, dict) or not each:
        raise UsageError(f"{path} contains no cost tables of version {VERSION}: restore a copy, or profile again")
    for name, table in each.items():
        check_name(name)
        if not isinstance(table, dict):
            raise UsageError(f"the cost table {name!r} in {path} is {short(table)}, expected an object: restore a copy")
    found = {name: CostTable.from_json(table, f"the cost table {name!r} in {path}") for name, table in each.items()}
    for name, table in found.items():
        table.check(space, f"the cost table {name!r} in {path}")
    return found


def named_files(given: Sequence[str]) -> Path | dict[str, Path]:
    """Return the file, or the files by name of their device, that are given as FILE or as NAME=FILE each.

    Raises:
        UsageError: there are several files and one has no name, or two have the same.
    """
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).is_file()):
        return Path(given[0])
    files: dict[str, Path] = {}
    for text in given:
        name, separator, file = text.partition("=")
        check_name(name if separator else "", text)
        if name in files:
            raise UsageError(f"two tables for the device {name!r}: give each device its own name")
        # After `=` no shell expands a home folder.
        files[name] = Path(file).expanduser()
    return files


def check_name(name: str, given: str | None = None) -> None:
    """Raise UsageError unless `name`, of the option `given`, can name a device."""
    if is_plain(name):
        return
    if given is None:
        raise UsageError(f"{cut(name)!r} is not a device name: expected a plain name without /, such as pi4")
    raise UsageError(f"table {cut(given)!r}: with several devices, each needs a plain name, such as pi4=pi4.json")
