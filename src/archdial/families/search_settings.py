"""Settings of the search that a family came from, as its record tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def recorded_count(info: Mapping[str, Any], setting: str) -> int | None:
    """Return a setting that is a whole number above 0; None if `info`, as files may hold it, tells of none."""
    config = info.get("config")
    search = config.get("search") if isinstance(config, Mapping) else None
    return count_in(search, setting)


def count_in(told: object, name: str) -> int | None:
    """Return the whole number above 0 under `name` of a mapping; None if `told` is none or has another value there."""
    value = told.get(name) if isinstance(told, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
