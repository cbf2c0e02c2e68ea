"""Families whose table has errors on whole networks, or that were evaluated on so many examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archdial.families.evaluated import EVALUATED
from archdial.families.family import Family

ERRORS = (0.02, -0.03, 0.01, -0.01, 0.04, -0.02, 0.0, 0.03, -0.04, 0.01, -0.01, 0.02)


def with_errors(family: Family, residuals: Sequence[float] = ERRORS, **more: Any) -> Family:
    """Return a copy whose table was off by `residuals` on networks that were held out."""
    found = replace(family, **more)
    # As the cached property would have it of a table with a fit.
    vars(found)["residuals"] = tuple(residuals)
    return found


def evaluated_on(family: Family, examples: int | None, **more: Any) -> Family:
    """Return a copy whose scores were measured on so many examples."""
    return replace(family, info={**family.info, "images": {EVALUATED: examples}}, **more)
