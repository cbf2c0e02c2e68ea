"""The network of a recipe: cells to search from scratch, or gates on a network that was trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import ConfigDict
from torch import nn

from archdial.common.errors import UsageError, cut, unknown
from archdial.common.limits import Name, Size, Text
from archdial.data import DataSet
from archdial.networks.backbones import BACKBONES
from archdial.networks.cells.nas_bench_201 import NAMES, Plan
from archdial.networks.cells.network import CellPlan
from archdial.networks.graph import gates
from archdial.networks.graph.choices.gates import DROPPED, OPTIONS
from archdial.networks.graph.source import load_weights, make_model
from archdial.networks.supernet import Supernet
from archdial.space import Choice, Space


class FromScratch(ABC):
    """What networks have in common whose weights the search trains."""

    @abstractmethod
    def plan(self, input_shape: tuple[int, int, int], classes: int) -> CellPlan | Plan:
        """Return the plan for images of `input_shape` (channels, height, width)."""

    def __post_init__(self) -> None:
        self.example_space()

    def make(self, data: DataSet, *, trust: bool = False) -> Supernet:
        """Return the network for images and classes of `data`; it calls no code but archdial's."""
        return self.plan(data.input_shape, len(data.classes)).network()

    def example_space(self) -> Space:
        """Return the space, which does not depend on the data."""
        return self.plan((3, 32, 32), 10).space()

    @property
    def stored_weights(self) -> Path | None:
        """None: they begin with weights of their own."""
        return None

    def check_ready(self) -> None:
        """Do nothing: a search can begin."""
        return

    def with_weights(self, path: Path | None) -> Self:
        """Return the settings themselves.

        Raises:
            UsageError: weights are given.
        """
        if path is not None:
            raise UsageError(f"--weights {path}: this recipe searches cells, whose weights the search trains")
        return self

    def with_model(self, name: str | None) -> Self:
        """Return the settings themselves.

        Raises:
            UsageError: a model is given.
        """
        if name is not None:
            raise UsageError(f"--model {cut(name)}: this recipe searches cells, which are made by archdial")
        return self


@dataclass(frozen=True)
class CellSettings(FromScratch):
    """Cells, without what the data decide: image size, image channels, classes; see `CellPlan`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["cells"] = "cells"
    cells: Size = 3
    nodes: Size = 4
    operations: tuple[Name, ...] = ("max_pool_3x3", "identity", "sep_conv_3x3")
    channels: Size = 16
    stem_stride: Literal[1, 2] = 1

    def plan(self, input_shape: tuple[int, int, int], classes: int) -> CellPlan:
        """Return the plan for images of `input_shape` (channels, height, width)."""
        in_channels, height, width = input_shape
        return CellPlan(
            in_channels,
            classes,
            self.cells,
            self.nodes,
            self.operations,
            self.channels,
            (height, width),
            self.stem_stride,
        )


@dataclass(frozen=True)
class BenchSettings(FromScratch):
    """The cells of NAS-Bench-201, without what the data decide; see `nas_bench_201.Plan`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["nas_bench_201"] = "nas_bench_201"
    cells: Size = 5
    channels: Size = 16
    operations: tuple[Name, ...] = NAMES

    def plan(self, input_shape: tuple[int, int, int], classes: int) -> Plan:
        """Return the plan for images of `input_shape` (channels, height, width)."""
        in_channels, height, width = input_shape
        return Plan(in_channels, classes, self.cells, self.channels, self.operations, (height, width))


@dataclass(frozen=True)
class GateSettings:
    """Gates on the operations of a trained network.

    Attributes:
        model: a backbone of archdial, or `module:callable` of the user's code, called without arguments.
        width: channels of a backbone's first stage; its own where none is given.
        weights: a .safetensors file or a saved state dict; without one the model is taken as it is made.
        include, exclude, groups: see `archdial.gates`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["gates"] = "gates"
    model: Name = "resnet18"
    width: Size | None = None
    weights: Name | None = None
    include: tuple[Text, ...] = ()
    exclude: tuple[Text, ...] = ()
    groups: dict[str, tuple[Text, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if ":" not in self.model and self.model not in BACKBONES:
            raise UsageError(f"{unknown('model', self.model, BACKBONES)}; or name module:callable of your own")
        if ":" in self.model and self.width is not None:
            raise UsageError(f"width = {self.width} for {self.model}: only a backbone of archdial takes a width")

    def model_for(self, data: DataSet, *, trust: bool = False) -> nn.Module:
        """Return the model for images and classes of `data`, weights not yet loaded; `trust` as for `make_model`."""
        return make_model(**self.source(data), trust=trust)

    def source(self, data: DataSet) -> dict[str, Any]:
        """Return the arguments of `make_model`."""
        shape = list(data.input_shape)
        return {"name": self.model, "width": self.width, "input_shape": shape, "classes": len(data.classes)}

    def make(self, data: DataSet, *, trust: bool = False) -> Supernet:
        """Return the gated network for images and classes of `data`; `trust` as for `make_model`."""
        model = self.model_for(data, trust=trust)
        if self.weights is not None:
            load_weights(model, Path(self.weights))
        example = torch.zeros(2, *data.input_shape)
        return gates(model.eval(), example, self.include, self.exclude, self.groups, self.source(data))

    @property
    def stored_weights(self) -> Path | None:
        """The file of the weights."""
        return None if self.weights is None else Path(self.weights)

    def check_ready(self) -> None:
        """Raise UsageError where a search would prune a backbone that nobody trained."""
        if self.weights is None and self.model in BACKBONES:
            raise UsageError(
                f"{self.model} has no weights yet: run `archdial train` on this recipe first, then name them by "
                "--weights or network.weights"
            )

    def with_weights(self, path: Path | None) -> GateSettings:
        """Return the settings with the weights in `path`, as an absolute path; None changes nothing else."""
        chosen = self.weights if path is None else str(path)
        return self if chosen is None else replace(self, weights=str(Path(chosen).expanduser().absolute()))

    def with_model(self, name: str | None) -> GateSettings:
        """Return the settings with another model, which has a width of its own; None changes nothing."""
        return self if name is None else replace(self, model=name, width=None)

    def example_space(self) -> Space:
        """Return a space like that of the network, which is not known before the model is captured."""
        return Space((Choice("gate", OPTIONS, ("operation", DROPPED)),))


NetworkSettings = CellSettings | BenchSettings | GateSettings

KINDS: dict[str, type[NetworkSettings]] = {"cells": CellSettings, "nas_bench_201": BenchSettings, "gates": GateSettings}


def settings_type(value: Mapping[str, Any]) -> type[NetworkSettings]:
    """Return the dataclass for the `network` section of a recipe.

    Raises:
        UsageError: its kind is unknown.
    """
    kind = str(value.get("kind", "cells"))
    if kind not in KINDS:
        raise unknown("network.kind", kind, KINDS)
    return KINDS[kind]
