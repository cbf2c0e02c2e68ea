"""The number of examples that a family's scores are based on, if recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archdial.families.search_settings import count_in, recorded_count

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
    if known := count_in(data, EVALUATED):
        return known
    validation, limit = count_in(data, "validation"), recorded_count(info, "evaluation_images")
    if not images or validation is None or limit is None:
        return None
    return min(validation, limit)
