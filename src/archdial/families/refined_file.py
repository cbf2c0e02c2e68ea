"""What family.json contains about a refinement, key by key, as the validator reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from archdial.common.limits import Count, Number, Options, Seed

Tau = Annotated[Number, Field(ge=-1, le=1)]
ClaimRow = tuple[Options, Number, Annotated[str, Field(max_length=200)]]
"""Options, score, name of the trained member or nothing."""


@dataclass(frozen=True)
class TauFile:
    """Kendall's τ of the inherited and of the corrected order with that after training; null where one is flat."""

    before: Tau | None
    after: Tau | None


@dataclass(frozen=True)
class RefinedFile:
    """What some members told that were trained alone."""

    weights: Literal["retrained", "finetuned"]
    epochs: Count
    seed: Seed
    tau: TauFile
    claims: Annotated[tuple[ClaimRow, ...], Field(min_length=1, fail_fast=True)]
