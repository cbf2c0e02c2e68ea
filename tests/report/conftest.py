"""The made-up members files as fixtures; each test gets its own copy."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
import pytest

from archdial.report import page
from archdial.report.cells import cells_figure
from archdial.report.numbers import ReportNumbers
from archdial.report.points import MemberNumbers

KINDS = ["max_pool_3x3", "identity", "sep_conv_3x3"]
COST = {"max_pool_3x3": 0.09, "identity": 0.01, "sep_conv_3x3": 0.21}
WORTH = {"max_pool_3x3": 0.3, "identity": 0.1, "sep_conv_3x3": 1.0}


@pytest.fixture(scope="package", autouse=True)
def cells_once() -> Iterator[None]:
    """Let pages draw equal cells once: most of the seconds of a page, and a hundred pages show the same members.

    `test_figures.py` holds that kinds and architecture alone decide over the drawing.
    """
    drawn: dict[Any, go.Figure | None] = {}

    @functools.wraps(cells_figure)
    def remembered(numbers: ReportNumbers, member: MemberNumbers) -> go.Figure | None:
        key = (numbers.kinds, tuple(member.architecture.items()))
        if key not in drawn:
            drawn[key] = cells_figure(numbers, member)
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "cells_figure", remembered)
        yield


@pytest.fixture
def scalar_file() -> dict[str, Any]:
    """λ from 0.001 to 10: the more, the fewer convolutions."""
    members, archive = 15, 150
    dice = random.Random(0)
    grid = [0.001 * 10 ** (4 * i / max(members - 1, 1)) for i in range(members)]
    rows = [_member(dice, value, [1 + 4 * i / members, 2, 4 - 3.8 * i / members]) for i, value in enumerate(grid)]
    cloud = [_member(dice, None, [dice.random() for _ in KINDS]) for _ in range(archive)]
    return _file(rows, {"kind": "scalar"}, archive=cloud)


@pytest.fixture
def simplex_file() -> dict[str, Any]:
    """The grid of S with entries that are fifths."""
    steps = 5
    dice = random.Random(1)
    grid = [[i / steps, j / steps, (steps - i - j) / steps] for i in range(steps + 1) for j in range(steps + 1 - i)]
    rows = [_member(dice, s, [(1 - entry) ** 3 + 0.02 for entry in s]) for s in grid]
    return _file(rows, {"kind": "operation_simplex"})


@pytest.fixture
def comparison_file() -> dict[str, Any]:
    """Three methods; of the hypernetwork's members, out of order, the second is best at no budget."""
    found = {
        "hypernetwork": (0.5, [(2.0, 0.84, 0.85), (1.5, 0.83, 0.79), (1.0, 0.8, 0.82)]),
        "random": (0.4, [(1.2, 0.7, 0.71), (2.5, 0.81, 0.80)]),
        "greedy": (0.45, [(0.9, 0.6, 0.62), (3.2, 0.86, 0.88)]),
    }
    names = ("latency_ms", "accuracy", "validation_accuracy")
    return _head("comparison") | {
        "accuracy_split": "test",
        "full": {"name": "the untouched network", "latency_ms": 3.0, "accuracy": 0.87, "provenance": {}},
        "methods": [
            {
                "name": name,
                "evaluations": 200,
                "area": area,
                "hypervolume": area - 0.1,
                "members": [dict(zip(names, row, strict=True)) | {"parameters": 12_345} for row in rows],
            }
            for name, (area, rows) in found.items()
        ],
    }


@pytest.fixture
def experiments_file() -> dict[str, Any]:
    """Accuracy falls along λ to chance at 12.5; points of `alone` are out of order."""
    alone = [(1.0, 0.7, 1.5), (0.01, 0.86, 3.0), (10.0, 0.2, 0.4)]
    one = [(0.01, 0.85, 2.9), (10.0, 0.3, 0.5)]
    relaxed = [(0.1, 0.80, 0.79), ([0.25, 0.75], 0.7, 0.72)]
    return _head("experiments") | {
        "alone": {"points": [_at(*row) for row in alone], "fall": 12.5, "chance": 0.1},
        "hypernetwork": {"points": [_at(*row) for row in one]},
        "relaxed": {
            "points": [{"dial": dial, "relaxed": soft, "discrete": hard} for dial, soft, hard in relaxed],
            "mean_difference": 0.0062,
        },
    }


def _at(lam: float, accuracy: float, latency_ms: float) -> dict[str, float]:
    return {"lambda": lam, "accuracy": accuracy, "latency_ms": latency_ms}


def _head(of: str) -> dict[str, Any]:
    head = _file([], {})
    kept = ("config", "seed", "versions", "device", "data")
    return {"format": f"archdial.{of}", "version": 1, **{name: head[name] for name in kept}}


def _file(rows: list[dict[str, Any]], dial: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "format": "archdial.members",
        "version": 1,
        "config": {
            "network": {"cells": 3, "nodes": 4, "channels": 16},
            "search": {"epochs": 20, "rate": 0.025},
        },
        "seed": 0,
        "versions": {"archdial": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
        "device": "2 CPU cores, ONNX Runtime, batch 1",
        "data": "fashion_mnist",
        "dial": dial,
        "kinds": KINDS,
        "range": {"latency_ms": [0.4, 6.3]},
        "members": rows,
        **more,
    }


def _member(dice: random.Random, dial: object, shares: list[float]) -> dict[str, Any]:
    edges = [(cell, node, source) for cell in ("normal", "reduction") for node in range(2, 6) for source in range(node)]
    taken = dice.choices(KINDS, shares, k=len(edges))
    worth = sum(WORTH[kind] for kind in taken) / len(taken)
    latency = 0.3 + sum(COST[kind] for kind in taken)
    return {
        "dial": dial,
        "architecture": {f"{c}/{n}<-{s}": kind for (c, n, s), kind in zip(edges, taken, strict=True)},
        "accuracy": min(0.94, 0.85 + 0.09 * worth**0.5 + dice.gauss(0, 0.003)),
        "latency_ms": latency,
        "parameters": 9000 + 5200 * taken.count("sep_conv_3x3"),
        "flops": 2_000_000 + 1_900_000 * taken.count("sep_conv_3x3"),
        "counts": {kind: taken.count(kind) for kind in KINDS},
        "provenance": {"accuracy": "measured", "accuracy_split": "test", "latency_ms": "predicted"},
    }
