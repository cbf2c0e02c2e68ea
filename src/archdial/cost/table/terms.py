"""The elements of a cost table: entries, terms, and measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from archdial.common.errors import unknown
from archdial.common.limits import Amount, Flag, Milliseconds, Name, Tally, Text

COLUMNS = ("latency_ms", "parameters", "flops", "bytes", "size_bytes")
"""What adds up over the terms."""
PEAK = "peak_bytes"
"""What does not: of the entries that an architecture selects the largest counts."""
REMAKE = "add it to the file, or profile the network again"


@dataclass(frozen=True)
class CostMerged:
    """What runs, and its cost, where layers that follow each other are made one; else as in `CostEntry`.

    Attributes:
        layers: names of these, in the order in which they run.
    """

    layers: Annotated[tuple[Name, ...], Field(min_length=2, fail_fast=True)]
    latency_ms: Milliseconds
    latency_spread: Amount
    parameters: Tally
    flops: Tally
    bytes: Tally
    size_bytes: Tally
    peak_bytes: Tally
    parts: Annotated[tuple[Text, ...], Field(min_length=1, fail_fast=True)]


@dataclass(frozen=True)
class CostEntry:
    """What runs when the choices of a term take `options`, and its cost.

    Attributes:
        options: names of the options, one for each choice of the term; several with | between, if any of them will do.
        latency_ms: milliseconds for one batch of the table's batch size; the median over the repetitions.
        latency_spread: interquartile range of the repetitions, divided by their median.
        parameters: number of parameters.
        flops: floating point operations for one input; a multiply-add counts as two.
        bytes: bytes of floating point activations written for one input.
        size_bytes: bytes of parameters and buffers, as a file of weights holds them; None in an older table.
        peak_bytes: the most that one operator reads and writes at once for one input, weights aside; None likewise.
        parts: keys of the parts of which `latency_ms` is the sum, one for each time that it runs; none if unknown.
        merged: what may run instead; members have it where it is the faster.
    """

    options: Annotated[tuple[Name, ...], Field(fail_fast=True)]
    latency_ms: Milliseconds
    latency_spread: Amount
    parameters: Tally
    flops: Tally
    bytes: Tally
    size_bytes: Tally | None = None
    peak_bytes: Tally | None = None
    parts: Annotated[tuple[Text, ...], Field(fail_fast=True)] = ()
    merged: CostMerged | None = None


@dataclass(frozen=True)
class CostTerm:
    """One term of the cost: entries over the options of `choices`; combinations left out cost nothing."""

    choices: Annotated[tuple[Name, ...], Field(fail_fast=True)]
    entries: Annotated[tuple[CostEntry, ...], Field(fail_fast=True)]


@dataclass(frozen=True)
class CostPart:
    """A piece of the network, measured alone: kind, median milliseconds of a batch, interquartile range over median.

    Where it was `predicted` by parts that differ from it only in their sizes, the range is that of the relative errors
    of such predictions.
    """

    kind: Text
    latency_ms: Milliseconds
    latency_spread: Amount
    predicted: Flag = False


@dataclass(frozen=True)
class CostNetwork:
    """A whole network: the option that it takes at each choice, median milliseconds of a batch, and their spread."""

    architecture: Mapping[str, Name]
    latency_ms: Annotated[Milliseconds, Field(gt=0)]
    latency_spread: Amount


def check_column(name: str) -> None:
    """Raise UsageError unless `name` is one of COLUMNS."""
    if name not in COLUMNS:
        raise unknown("cost column", name, COLUMNS)
