"""Tiny networks, a cost table without a clock, and images that a tiny network can tell apart."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import torch
from torch import Tensor

from archdial.cost.making.counting import count
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.data import Images
from archdial.networks.cells.network import CellNetwork, cells
from archdial.networks.example import shape_of
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

MIXED = ("none", "identity", "max_pool_3x3", "sep_conv_3x3")
MIXED_1D = ("none", "identity", "max_pool_3", "avg_pool_3", "sep_conv_3", "dil_conv_5")


def tiny(seed: int = 0, **plan: Any) -> CellNetwork:
    """3 cells of 2 nodes on 8×8 images, in eval mode, with statistics that are not those of a fresh network.

    Or on signals or tokens, if `plan` has a length.
    """
    torch.manual_seed(seed)
    defaults: dict[str, Any] = {"in_channels": 3, "cells": 3, "nodes": 2, "channels": 4}
    defaults |= {"operations": MIXED_1D} if "length" in plan else {"operations": MIXED, "image_size": 8}
    defaults |= {} if "outputs" in plan else {"classes": 5}
    network = cells(**{**defaults, **plan})
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    return network.eval()


def inputs(network: Supernet, batch: int = 3, size: tuple[int, int] | None = None, seed: int = 1) -> Tensor:
    shape, generator = shape_of(network.example), torch.Generator().manual_seed(seed)
    if not network.example.is_floating_point():
        return torch.randint(int(network.example.max()) + 1, (batch, *shape), generator=generator)
    return torch.randn(batch, *(shape if size is None else (shape[0], *size)), generator=generator)


def drawn(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random(generator) for _ in range(count)]


def counted_table(network: Supernet) -> CostTable:
    """Exact parameters and FLOPs; in place of a latency 0.01 ms a part and 1 ms a hundred thousand FLOPs."""

    @functools.cache
    def priced(part: Part) -> tuple[float, int, int, int, int, int]:
        counts = count(part.module, part.input_shape, part.inputs)
        return 0.01 + counts.flops / 1e5, *dataclasses.astuple(counts)

    def entry(options: tuple[str, ...], parts: tuple[Part, ...]) -> CostEntry:
        latency, parameters, flops, written, size, _ = (
            sum(column) for column in zip((0, 0, 0, 0, 0, 0), *map(priced, parts), strict=True)
        )
        peak = max((priced(part)[-1] for part in parts), default=0)
        return CostEntry(options, float(latency), 0.0, int(parameters), int(flops), int(written), int(size), peak)

    def term(plan: TermPlan) -> CostTerm:
        # A table wants a term over one choice complete; profile fills it in likewise.
        options = network.space.choices[network.space.index(plan.choices[0])].options if len(plan.choices) == 1 else ()
        entries = {(option,): plan.entries.get((option,), ()) for option in options} | dict(plan.entries)
        return CostTerm(plan.choices, tuple(entry(o, parts) for o, parts in entries.items()))

    terms = tuple(map(term, network.terms()))
    runtime = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
    return CostTable(network.space.fingerprint, runtime, terms)


def textures(count: int, seed: int = 0) -> Images:
    """Columns, rows, a chessboard or nothing in noise; shifting and mirroring leave the label what it is."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=generator)
    pixels = torch.randint(0, 80, (count, 1, 8, 8), generator=generator)
    row, column = torch.meshgrid(torch.arange(8) % 2, torch.arange(8) % 2, indexing="ij")
    patterns = torch.stack((column, row, (row + column) % 2, torch.zeros_like(row)))
    return Images((pixels + 120 * patterns[labels][:, None]).to(torch.uint8), labels)
