"""Width as a choice: the available fractions of a network's channels, and the cost of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from archdial.common.errors import UsageError
from archdial.common.limits import Number
from archdial.networks.supernet import Part, TermPlan
from archdial.space import Choice

CHANNELS = "channels"
"""The choice, its options named for their share, and the kind of all of them."""
Widths = Annotated[tuple[Annotated[Number, Field(gt=0, le=1)], ...], Field(min_length=2, max_length=16)]
"""Shares of the channels, the largest first and 1 among them."""

_MANY, _COARSE, _FINE = 16, 8, 2
"""From 16 channels on, widths are multiples of 8, which kernels process at once; below that, they are even."""


def kept_channels(channels: int, widths: Sequence[float]) -> dict[str, int]:
    """Return how many of `channels` each option keeps, by its name; of equal numbers the largest share names it."""
    step = _COARSE if channels >= _MANY else _FINE
    found: dict[str, int] = {}
    for share in widths:
        # Halves go up: 0.75 of 16 is all of them.
        kept = channels if share == 1 else min(channels, max(1, int(share * channels / step + 0.5)) * step)
        if kept not in found.values():
            found[f"{share:g}"] = kept
    return found


def width_choice(channels: int, widths: Sequence[float] | None) -> tuple[Choice, ...]:
    """Return the choice of a width, which stands behind all others; none where there are no `widths`."""
    if widths is None:
        return ()
    names = tuple(kept_channels(channels, widths))
    return (Choice(CHANNELS, names, (CHANNELS,) * len(names)),)


def check_widths(channels: int, widths: Sequence[float] | None) -> None:
    """Raise UsageError unless `widths` go down from 1, and at least two of them differ in whole channels."""
    if widths is None:
        return
    told = ", ".join(f"{share:g}" for share in widths)
    if widths[0] != 1 or any(one <= other for one, other in pairwise(widths)):
        raise UsageError(
            f"widths = [{told}]: expected fractions of the channels in decreasing order from 1, such as [1, 0.5]"
        )
    if len(kept_channels(channels, widths)) == 1:
        step = _COARSE if channels >= _MANY else _FINE
        raise UsageError(
            f"widths = [{told}]: with {channels} channels in multiples of {step}, all round to {channels}; use smaller "
            "fractions or more channels"
        )


def joined_terms(by_width: Mapping[str, Sequence[TermPlan]]) -> list[TermPlan]:
    """Return the terms of networks that differ in width alone as those of one, each over the width too."""
    return [
        TermPlan(
            (*plans[0].choices, CHANNELS),
            {
                (*options, width): tuple(_told_apart(part) for part in parts)
                for width, plan in zip(by_width, plans, strict=True)
                for options, parts in plan.entries.items()
                if parts
            },
        )
        for plans in zip(*by_width.values(), strict=True)
    ]


def _told_apart(part: Part) -> Part:
    """Return `part`, if a stem under a key that says how many channels it gives: what comes in is always the same."""
    if part.kind != "stem":
        return part
    given = [parameter for parameter in part.module.parameters() if parameter.dim() == 1][-1].numel()
    return replace(part, key=f"{part.key}/to{given}")
