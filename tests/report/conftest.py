"""The made-up members files as fixtures; each test gets its own copy."""

from __future__ import annotations

import random
from typing import Any

import pytest

KINDS = ["max_pool_3x3", "identity", "sep_conv_3x3"]
COST = {"max_pool_3x3": 0.09, "identity": 0.01, "sep_conv_3x3": 0.21}
WORTH = {"max_pool_3x3": 0.3, "identity": 0.1, "sep_conv_3x3": 1.0}


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
