"""The contents of family.json and architecture.json, key by key, as the validator reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from archdial.common.errors import UsageError, cut, unknown
from archdial.common.limits import (
    Count,
    CountOrNone,
    Fraction,
    Name,
    Number,
    Numbers,
    Options,
    Seed,
    Share,
    Size,
    Text,
)
from archdial.cost.pricing.fingerprint import FingerprintFile
from archdial.families.refined_file import RefinedFile
from archdial.networks.graph.input_plan import DTYPES, MOST_VALUES
from archdial.tasks.measure import Measure

FORMAT, MEMBER_FORMAT, VERSION = "archdial.family", "archdial.member", 1

Positive = Annotated[Number, Field(gt=0)]
Names = Annotated[tuple[Name, ...], Field(fail_fast=True)]
MOST_INPUT = 2**24
"""Numbers of one input: an image of 2,000 × 2,000 pixels in colour, and some."""


@dataclass(frozen=True)
class NormalizeFile:
    """From pixels to inputs, by channel."""

    mean: Numbers
    std: Annotated[tuple[Positive, ...], Field(fail_fast=True)]


@dataclass(frozen=True)
class SourceFile:
    """Where a gated network's model comes from; arguments of `make_model`."""

    name: Name
    width: Size | None
    input_shape: tuple[Size, ...]
    classes: CountOrNone

    def __post_init__(self) -> None:
        if ":" not in self.name and not self.classes:
            raise UsageError("network.source.classes is 0: expected at least 1")


@dataclass(frozen=True)
class TensorFile:
    """One input of a batch of one; of what is no floating point its values."""

    name: Name
    shape: Annotated[tuple[Size, ...], Field(max_length=8)]
    dtype: Name
    values: Annotated[tuple[bool | int, ...], Field(max_length=MOST_VALUES, fail_fast=True)] | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
        total = math.prod(self.shape)
        if total > MOST_INPUT or (self.values is not None and len(self.values) != total):
            found = total if self.values is None else len(self.values)
            raise UsageError(f"the input {self.name} has {found:,} numbers, but its shape is {list(self.shape)}")


@dataclass(frozen=True)
class InputsFile:
    """How a network is called."""

    form: Literal["tensor", "tuple", "dict"]
    tensors: Annotated[tuple[TensorFile, ...], Field(min_length=1, max_length=256)]
    constants: Mapping[Name, bool | int | Number | Text | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [one.name for one in self.tensors]
        if len(set(names)) != len(names) or (self.form == "tensor" and len(names) > 1):
            raise UsageError(f"inputs of form {self.form} are called {', '.join(names)}: restore a copy")


@dataclass(frozen=True)
class TaskFile:
    """What a family is for that is not for images in memory: how its scores are called and compared."""

    measure: Measure


@dataclass(frozen=True)
class WidthFile:
    """A width: fractions of the whole, and how many units of each group are kept under each of them."""

    fractions: Annotated[tuple[Fraction, ...], Field(min_length=2, max_length=64)]
    units: Annotated[Mapping[Name, tuple[Count, ...]], Field(min_length=1)]

    def __post_init__(self) -> None:
        for name, kept in self.units.items():
            if len(kept) != len(self.fractions) or sorted(kept, reverse=True) != list(kept):
                raise UsageError(
                    f"the units of {cut(name)} are {list(kept)}: expected {len(self.fractions)} non-increasing "
                    "numbers; restore a copy"
                )


@dataclass(frozen=True)
class GatesFile:
    """A network with choices: its model, and of each choice the operations, or the units.

    Attributes:
        widths: by name of the choice; one that is among the gates too has 0 among its widths.
        streams: whether the stream of a transformer may be narrower.
        precisions: by name of the choice, paths of the layers that compute in the same bits.
    """

    source: SourceFile | None
    input_shape: Annotated[tuple[Size, ...], Field(max_length=8)]
    gates: Mapping[Name, Annotated[tuple[Name, ...], Field(min_length=1)]] = field(default_factory=dict)
    kind: Literal["gates"] = "gates"
    inputs: InputsFile | None = None
    outputs: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    widths: Mapping[Name, WidthFile] = field(default_factory=dict)
    streams: bool = False
    precisions: Mapping[Name, Annotated[tuple[Name, ...], Field(min_length=1)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.gates and not self.widths and not self.precisions:
            raise UsageError("network has neither gates nor widths nor precisions: restore a copy")
        layers = [layer for named in self.precisions.values() for layer in named]
        if twice := next((layer for layer in layers if layers.count(layer) > 1), None):
            raise UsageError(f"network.precisions has the layer {cut(twice)!r} twice: restore a copy")
        for shape in (self.input_shape, self.source.input_shape if self.source else ()):
            total = 1
            for side in shape:
                total *= side
            if total > MOST_INPUT:
                raise UsageError(f"network.input_shape is {list(shape)}: expected at most {MOST_INPUT:,} numbers")


@dataclass(frozen=True)
class DeviceFile:
    """One piece of hardware of several."""

    table: dict[str, Any]
    dial: dict[str, Any]
    code: Numbers


@dataclass(frozen=True)
class DevicesFile:
    """All hardware that a family answers for."""

    fingerprint: FingerprintFile
    each: Annotated[Mapping[Name, DeviceFile], Field(min_length=1)]


@dataclass(frozen=True)
class ChoiceFile:
    """One choice of the space.

    Attributes:
        runs: of a gate, sets of gates by number: where all of one set are kept, something of this gate runs.
    """

    name: Name
    options: Names
    kinds: Names
    runs: Annotated[tuple[Options, ...], Field(fail_fast=True)] | None = None


@with_config(ConfigDict(extra="allow"))
class HypernetFile(TypedDict):
    """A hypernetwork: its kind, the numbers of a dial position, and settings that its kind checks."""

    kind: Name
    features: Size


@with_config(ConfigDict(extra="allow"))
class ConfigFile(TypedDict, total=False):
    """The recipe of a family; what shows it reads more of it."""

    published_areas: dict[Name, Share]


@with_config(ConfigDict(extra="allow"))
class InfoFile(TypedDict, total=False):
    """How a family came about; other keys are left alone."""

    config: ConfigFile
    seed: Seed | None
    data: Text
    images: dict[str, Any]


@dataclass(frozen=True)
class FamilyFile:
    """What family.json holds."""

    format: Literal["archdial.family"]
    version: Literal[1]
    network: dict[str, Any]
    space: Text
    hypernet: HypernetFile
    dial: dict[str, Any]
    column: Literal["latency_ms", "parameters", "flops", "bytes", "size_bytes"]
    table: dict[str, Any]
    normalize: NormalizeFile | None
    classes: Annotated[tuple[Text, ...], Field(fail_fast=True)]
    archive: Annotated[tuple[tuple[Options, Number, Number], ...], Field(fail_fast=True)]
    info: InfoFile
    weights_sha256: Text
    device: Name | None = None
    devices: DevicesFile | None = None
    task: TaskFile | None = None
    choices: Annotated[tuple[ChoiceFile, ...], Field(fail_fast=True)] | None = None
    refined: RefinedFile | None = None
    judged: Annotated[tuple[Number, ...], Field(fail_fast=True)] | None = None
    readout: Literal["inherited", "refitted"] = "inherited"


@with_config(ConfigDict(extra="allow"))
class FiguresFile(TypedDict):
    """A member's figures; those that nothing here depends on are left alone."""

    architecture: Mapping[Name, Name]


Row = Annotated[tuple[Name, ...], Field(min_length=2, fail_fast=True)]
"""Layers, by name, that follow each other and were made one."""


@dataclass(frozen=True)
class MemberFile:
    """What architecture.json holds."""

    format: Literal["archdial.member"]
    version: Literal[1]
    network: dict[str, Any]
    normalize: NormalizeFile | None
    classes: Annotated[tuple[Text, ...], Field(fail_fast=True)]
    member: FiguresFile
    weights_sha256: Text
    merged: Annotated[tuple[Row, ...], Field(fail_fast=True)] = ()
