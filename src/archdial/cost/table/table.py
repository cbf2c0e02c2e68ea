"""The cost table: the cost of each option of a space on one device; a portable JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from archdial.common import files
from archdial.common.documents import read_json
from archdial.cost.table import table_file
from archdial.cost.table.contents import TableContents
from archdial.cost.table.space_check import check_against
from archdial.space import Space

_WHAT = "cost table"


@dataclass(frozen=True)
class CostTable(TableContents):
    """The cost of a space on one device, as a sum of terms, with its file; `TableContents` has the attributes."""

    def to_json(self) -> dict[str, Any]:
        """Return the table as a JSON value."""
        return table_file.to_json(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = f"the {_WHAT}") -> CostTable:
        """Return the table that `to_json` or a device wrote.

        Args:
            value: the JSON value.
            source: name of the table in errors.

        Raises:
            UsageError: the format or version is wrong, a key is missing, or a value is not a cost.
        """
        contents = table_file.from_json(value, source)
        return cls(**{one.name: getattr(contents, one.name) for one in fields(contents)})

    def save(self, path: Path | str) -> Path:
        """Write the table to the JSON file `path`, by one rename, and return the path."""
        return files.write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path | str, space: Space | None = None) -> CostTable:
        """Return the table in the JSON file `path`.

        Args:
            path: a file that `save`, `archdial profile` or a device wrote.
            space: if given, the table is checked against it.

        Raises:
            UsageError: the file is missing or damaged, or `from_json` or `check` rejects it.
        """
        source = f"the {_WHAT} {path}"
        table = cls.from_json(read_json(Path(path), _WHAT), source)
        if space is not None:
            table.check(space, source)
        return table

    def check(self, space: Space, source: str = f"the {_WHAT}") -> None:
        """Check that the table is for `space` and complete.

        Args:
            space: the choices of a network.
            source: name of the table in errors.

        Raises:
            UsageError: the table is for another space, or lacks an entry.
        """
        check_against(self, space, source)
