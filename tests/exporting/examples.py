"""Small built members of cells and of gates, and a format that needs no exporter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from archdial.data import Normalize
from archdial.exporting import Format, Run
from archdial.exporting.built import BuiltMember
from archdial.networks.example import shape_of
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from tests.networks import examples as cell_examples
from tests.networks.graph import examples as gate_examples

OPERATIONS = ("identity", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3")


def members(kind: str) -> list[BuiltMember]:
    """Two random members; with this seed those of cells run every operation, and two BatchNorms without scale."""
    if kind == "gates":
        network = gate_examples.gated("residual")
        return [built(network, architecture) for architecture in gate_examples.drawn(network.space, 2, seed=2)]
    network = cell_examples.tiny(in_channels=1, cells=2, nodes=1, operations=OPERATIONS)
    return [built(network, architecture) for architecture in cell_examples.drawn(network.space, 2, seed=4)]


def built(network: Supernet, architecture: Architecture) -> BuiltMember:
    channels, classes = shape_of(network.example)[0], 5 if shape_of(network.example)[0] == 1 else 10
    return BuiltMember(
        module=network.build(architecture),
        input_shape=shape_of(network.example),
        normalize=Normalize((0.3,) * channels, (0.25,) * channels),
        classes=tuple(f"class {number}" for number in range(classes)),
        figures={"architecture": network.space.describe(architecture)},
    )


def plain(module: nn.Module) -> BuiltMember:
    """A member of one channel, 2×2 pixels and three classes."""
    return BuiltMember(module, (1, 2, 2), Normalize((0.5,), (0.5,)), ("a", "b", "c"), {})


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


class Twin(Format):
    """Two files, and outputs that are off by `off`."""

    name = "twin"
    suffix = ".twin"
    runtime = "twin"
    off: ClassVar[float | Tensor] = 0.0
    wrote: ClassVar[str] = "new"

    def files(self, path: Path) -> tuple[Path, ...]:
        return path, path.with_suffix(".other")

    def write(self, module: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
        for file in self.files(path):
            file.write_text(self.wrote)

    def load(self, path: Path) -> Run:
        module = linear()
        return lambda images: module(images) + self.off
