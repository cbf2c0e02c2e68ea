"""Types with generous bounds for values from outside, enforced by the validator."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from archdial.common.bounds import MOST_BYTES, MOST_COUNT, MOST_MS, MOST_SEED


def _whole(value: Any) -> Any:
    """Return 3 for 3.0: in JSON they are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


Whole = Annotated[int, Strict(), BeforeValidator(_whole)]
"""A whole number, written as 3 or 3.0."""


def _no_flag(value: Any) -> Any:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


NoFlag = BeforeValidator(_no_flag)
"""Before a `Literal` of numbers, which lets `true` pass as 1."""

Count = Annotated[Whole, Field(ge=1, le=MOST_COUNT)]
"""A whole number of at least 1: epochs, images per batch, architectures."""

CountOrNone = Annotated[Whole, Field(ge=0, le=MOST_COUNT)]
"""A whole number of at least 0."""

Size = Annotated[Whole, Field(ge=1, le=65_536)]
"""A side of a tensor, at least 1: channels, pixels, hidden units."""

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number."""

Amount = Annotated[Number, Field(ge=0, le=1e30)]
"""A finite number, zero or more."""

Rate = Annotated[Number, Field(gt=0, le=1e6)]
"""A finite number above zero."""

Positive = Annotated[Number, Field(gt=0, le=1e30)]
"""A finite number above zero, such as λ."""

Factor = Annotated[Number, Field(ge=0, le=1e6)]
"""A weight or a penalty, zero or more."""

Share = Annotated[Number, Field(ge=0, le=1)]
"""A number from 0 to 1."""

Fraction = Annotated[Number, Field(gt=0, le=1)]
"""A number above 0 and at most 1."""

Milliseconds = Annotated[Number, Field(ge=0, le=MOST_MS)]
"""Milliseconds, from 0 to eleven days."""

Tally = Annotated[Whole, Field(ge=0, le=MOST_BYTES)]
"""A counted number of at least 0: parameters, FLOPs, bytes."""

Seed = Annotated[Whole, Field(ge=0, le=MOST_SEED)]
"""A random seed: 63 bits, which every generator accepts."""

Flag = Annotated[bool, Strict()]
"""True or false, but not 1 or "yes"."""

Text = Annotated[str, Strict(), Field(max_length=10_000)]
"""A text of at most 10,000 characters."""

Name = Annotated[str, Strict(), Field(min_length=1, max_length=500)]
"""The name of a choice, an option, a class or a file: 1 to 500 characters."""


def is_plain(name: str) -> bool:
    """Tell whether `name` can be that of a folder anywhere, and be typed: no path, no blank ends, not too long."""
    return name.isprintable() and name.strip(" .") != "" and name == name.strip() and not {*"/\\:"} & {*name}


def _plain(name: str) -> str:
    if not is_plain(name):
        raise ValueError("a plain name such as pi4, without / or surrounding spaces")
    return name


PlainName = Annotated[str, Strict(), Field(min_length=1, max_length=100), AfterValidator(_plain)]
"""The name of a run's folder or of a device, without slashes or surrounding spaces."""

Precision = Literal[
    "32-true",
    "bf16-mixed",
    "16-mixed",
    "64-true",
    "bf16-true",
    "16-true",
    "transformer-engine",
    "transformer-engine-float16",
    "64",
    "32",
    "16",
    "bf16",
]
"""A precision of lightning-fabric. The names are repeated here because importing it is slow."""

Options = Annotated[tuple[CountOrNone, ...], Field(fail_fast=True)]
"""The options of an architecture, as numbers from 0, in the order of the choices."""
# One wrong entry is enough to know: a million of them would take long to tell.
Numbers = Annotated[tuple[Number, ...], Field(fail_fast=True)]
