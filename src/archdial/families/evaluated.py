"""The number of examples that a family's scores are based on, if recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EVALUATED = "evaluated"
"""Key of that number under `images` in what a family knows of its data."""


def examples_in(info: Mapping[str, Any], *, images: bool) -> int | None:
    """Return the number of examples that `info` of a family tells of; None where nobody knows.

    Args:
        info: how the family came about, as files may hold it.
        images: whether it was searched on images in memory; only of these a family of an older archdial tells how many
            there were, and not how many batches.
    """
    data = info.get("images")
    data = data if isinstance(data, Mapping) else {}
    if _number(data.get(EVALUATED)):
        return int(data[EVALUATED])
    config = info.get("config")
    search = config.get("search") if isinstance(config, Mapping) else None
    limit = search.get("evaluation_images") if isinstance(search, Mapping) else None
    if not images or not _number(data.get("validation")) or not _number(limit):
        return None
    return min(int(data["validation"]), int(str(limit)))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
