"""Warnings about tables that are too unreliable for promises."""

from __future__ import annotations

import warnings

from archdial.common.errors import DoubtfulTable
from archdial.cost.table.contents import TableContents


def warn_doubt(table: TableContents, what: str) -> None:
    """Warn as DoubtfulTable where latencies of whole networks by `table`, which is called `what`, may be far off."""
    if table.doubt:
        warnings.warn(
            f"{what} {table.doubt}: measure on a quiet machine, with at least 32 networks, and run "
            "`archdial profile --check`",
            DoubtfulTable,
            stacklevel=3,
        )
