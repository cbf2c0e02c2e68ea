"""Small built members of cells and of gates, and a format that needs no exporter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from archdial.data import Normalize
from archdial.exporting import Format, Run
from archdial.exporting.built import BuiltMember
from archdial.exporting.signature import Signature
from archdial.networks.example import shape_of
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from tests.networks import examples as cell_examples
from tests.networks.graph import examples as gate_examples

OPERATIONS = ("identity", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3")


RUN = {
    "normal/2<-0": "dil_conv_3x3",
    "normal/2<-1": "avg_pool_3x3",
    "reduction/2<-0": "identity",
    "reduction/2<-1": "dil_conv_3x3",
    "reduction/3<-0": "max_pool_3x3",
    "reduction/3<-2": "sep_conv_3x3",
}
"""Every operation once, in a reduction where it is another one there, and BatchNorms without scale."""


def member(kind: str) -> BuiltMember:
    """One member: of gates a random one with most that this network has, of cells with every operation."""
    if kind == "gates":
        network = gate_examples.gated("residual")
        return built(network, gate_examples.drawn(network.space, 2, seed=2)[1])
    options = ("none", *OPERATIONS)
    network = cell_examples.tiny(in_channels=1, cells=2, nodes=2, operations=options)
    taken = [RUN.get(choice.name, "none") for choice in network.space.choices]
    return built(network, Architecture(tuple(map(options.index, taken))))


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

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        for file in self.files(path):
            file.write_text(self.wrote)

    def load(self, path: Path) -> Run:
        module = linear()
        return lambda images: module(images) + self.off
