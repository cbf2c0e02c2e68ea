"""Which settings belong to which search method; setting one for another method is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archdial.common.errors import UsageError
from archdial.searching.method_settings import READ_BY
from archdial.searching.settings import SearchSettings


def check_read(given: Mapping[str, Any]) -> None:
    """Raise UsageError where a setting is given that the method, given or the default, does not read.

    For what people write: a run's config.json spells out every setting.
    """
    method = given.get("method", SearchSettings.method)
    for name, methods in READ_BY.items():
        if name in given and isinstance(method, str) and method not in methods:
            told = ", ".join(methods[:-1]) + f" and {methods[-1]}" if methods[1:] else methods[0]
            plural = "methods" if methods[1:] else "method"
            raise UsageError(f"search.{name} applies to {plural} {told}, not {method}: omit it")
