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
    """The cost of a space on one device, as a sum of terms, with its file; see `TableContents` for what it holds."""

    def to_json(self) -> dict[str, Any]:
        """Return the table as a JSON value."""
        return table_file.to_json(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = f"the {_WHAT}") -> CostTable:
        """Return the table that `to_json` wrote, or a device; `source` names it in errors.

        Raises:
            UsageError: wrong format or version, a key is missing, or a value is no cost.
        """
        contents = table_file.from_json(value, source)
        return cls(**{one.name: getattr(contents, one.name) for one in fields(contents)})

    def save(self, path: Path | str) -> Path:
        """Write the table to `path` in one rename."""
        return files.write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path | str, space: Space | None = None) -> CostTable:
        """Return the table in the file `path`, checked against `space` where one is given.

        Raises:
            UsageError: the file is missing or damaged, or `from_json` or `check` refuses it.
        """
        source = f"the {_WHAT} {path}"
        table = cls.from_json(read_json(Path(path), _WHAT), source)
        if space is not None:
            table.check(space, source)
        return table

    def check(self, space: Space, source: str = f"the {_WHAT}") -> None:
        """Raise UsageError unless the table is one of `space`, with an entry wherever one is due."""
        check_against(self, space, source)
