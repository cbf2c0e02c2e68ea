"""Small good files, which mutations begin with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.fit_to_networks import LAUNCH
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostNetwork, CostPart, CostTerm
from archdial.data import Normalize
from archdial.dial import Budget, Dial, OperationSimplex, Scalar
from archdial.dial.arranged import arranged
from archdial.dial.per_hardware import PerDevice
from archdial.families.family import Family
from archdial.families.hardware import found
from archdial.families.storage import save_family
from archdial.hypernet import make_hypernet
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.networks.graph import gates
from archdial.networks.graph.source import make_model
from archdial.networks.supernet import Supernet
from archdial.refining.refit import Trained, refined
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.state import SearchState, begin
from archdial.space import Choice, Space
from archdial.tasks.measure import ACCURACY, Measure
from archdial.tasks.stored import StoredTask
from tests.networks.examples import counted_table, drawn, textures, tiny
from tests.searching.job import small_data, small_settings

RECIPES: tuple[dict[str, Any], ...] = (
    {
        "data": "digits",
        "channels": 1,
        "about": "cells",
        "weights": 0.5,
        "limit": 400,
        "network": {"kind": "cells", "cells": 2, "nodes": 1, "operations": ["none", "identity"], "channels": 4},
        "dial": {"kind": "scalar", "low": 0.01, "high": 10.0},
        "search": {
            "epochs": 4,
            "evaluations": 20,
            "sample": 8,
            "hypernet": {"kind": "linear"},
            "temperature": {"start": 1.0, "end": 0.2, "shape": "cosine"},
        },
        "profile": {"runtime": "eager", "threads": 1, "networks": 0},
        "published": [{"name": "a", "position": 0.1, "accuracy": 0.9, "counts": {"identity": 3}}],
        "published_areas": {"random": 0.4},
    },
    {
        "data": "folder",
        "channels": 3,
        "weights": 100,
        "network": {"kind": "nas_bench_201", "cells": 1, "channels": 4},
        "dial": {"kind": "operation_simplex", "balanced": False},
        "search": {"method": "bilevel", "epochs": 3, "hypernet": {"kind": "kernel", "pivots": 3}},
        "tables": {"a": "a.json", "b": "b.json"},
    },
    {
        "data": "digits",
        "channels": 1,
        "network": {"kind": "gates", "model": "resnet20", "include": ["convolution"], "groups": {"g": ["a", "b"]}},
        "dial": {"kind": "budget", "strength": 3.0},
        "search": {"hypernet": {"kind": "piecewise_linear", "pivots": 3}, "regime": "tuned", "turns": 2},
        "table": "table.json",
        "train": {"epochs": 2, "learning_rate": 0.1},
    },
)


def small_space() -> Space:
    """Two choices of two options."""
    return Space(tuple(Choice(name, ("none", "conv"), ("none", "conv")) for name in ("a", "b")))


def measured_table(factor: float = 1.0) -> CostTable:
    """A table with parts and networks, but no fit yet."""
    space = small_space()
    parts = {"conv/1": 2.0, "conv/2": 3.0, "stem/1": 1.5, LAUNCH: 0.01}

    def entry(options: tuple[str, ...], *names: str) -> CostEntry:
        latency = factor * sum(parts[name] for name in names)
        return CostEntry(options, latency, 0.01, 10 * len(names), 200, 40, 40 * len(names), 64, names)

    terms = (
        CostTerm((), (entry((), "stem/1"),)),
        CostTerm(("a",), (entry(("none",)), entry(("conv",), "conv/1"))),
        CostTerm(("b",), (entry(("none",)), entry(("conv",), "conv/2", "conv/1"))),
        CostTerm(("a", "b"), (entry(("conv", "none|conv"), "conv/1"),)),
    )
    table = CostTable(
        space.fingerprint,
        {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1, "cpu": "some", "noisy": []},
        terms,
        {name: CostPart(name.partition("/")[0], factor * value, 0.02) for name, value in parts.items()},
    )
    networks = []
    for number, architecture in enumerate(drawn(space, 11)):
        taken = space.describe(architecture)
        alone = sum(count * table.parts[key].latency_ms for key, count in table.runs(taken).items())
        networks.append(CostNetwork(taken, 0.2 + 0.8 * alone + 0.003 * number, 0.01))
    return replace(table, networks=tuple(networks))


def tables() -> list[dict[str, Any]]:
    """Tables without and with parts, networks and fit."""
    whole = measured_table()
    fitted = CostTable.from_json(whole.to_json())
    return [counted_table(_cells()).to_json(), replace(whole, networks=()).to_json(), fitted.to_json()]


def _cells() -> Supernet:
    return tiny(in_channels=1, classes=2, cells=1, nodes=1, channels=2, operations=("none", "sep_conv_3x3"))


def _bench() -> Supernet:
    return NasBench201(Plan(1, 2, 1, 1, ("none", "nor_conv_1x1"), (8, 8))).eval()


def _gates(source: dict[str, Any] | None) -> Supernet:
    model = make_model("resnet20", 1, (1, 8, 8), 2).eval()
    only = [f"stages.0.{block}.{part}" for block in (0, 1) for part in ("bn1", "conv2")]
    return gates(model, torch.zeros(2, 1, 8, 8), only, source=source)


def family(network: Supernet, dial: Dial | None = None, hypernet: str = "linear", **settings: Any) -> Family:
    """Return an untrained family on `network`."""
    dial = (dial or Scalar(0.01, 10.0)).fitted(network.space.kinds)
    seen = dict.fromkeys(network.canonical(one) for one in drawn(network.space, 6))
    return Family(
        network=network,
        hypernet=make_hypernet(hypernet, network.space, dial.features, **settings),
        dial=dial,
        predictor=ErrorPredictor(network.space),
        table=counted_table(network),
        normalize=Normalize((0.3,), (0.25,)),
        calibration=textures(2).pixels,
        archive=tuple(Evaluated(one, 0.5 + 0.01 * i, 1.0, ACCURACY) for i, one in enumerate(seen)),
        classes=("a", "b"),
        info={"seed": 0, "data": "textures", "config": {"search": {"epochs": 1}}, "versions": {"torch": "2"}},
    )


def _of_two_devices() -> Family:
    one = family(_cells())
    slow = tuple(
        replace(t, entries=tuple(replace(e, latency_ms=e.latency_ms * (1 + 9 * len(t.choices))) for e in t.entries))
        for t in one.table.terms
    )
    both = {"pi": one.table, "phone": replace(one.table, terms=slow)}
    dial, cost = arranged(one.space, both, one.dial, "latency_ms")
    assert isinstance(dial, PerDevice)
    assert all(isinstance(each, ExpectedCost) for each in cost.each)
    hypernet = make_hypernet("mlp", one.space, dial.features, hidden=[4])
    return one.answering(found(both, cost, dial, hypernet))


class Reader(nn.Module):
    """Tokens and a mask to a number."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.mix, self.norm, self.head = (
            nn.Embedding(9, 4),
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.Linear(4, 1),
        )

    def forward(self, tokens: Tensor, mask: Tensor, cached: bool = False) -> Tensor:
        features = self.tokens(tokens) * mask[..., None]
        return self.head(self.norm((features + self.mix(features)).mean(1)))


def _of_texts() -> Family:
    """A family of a task of the caller's, on tokens by name, whose score is no share."""
    tokens = torch.arange(6).reshape(2, 3)
    example = {"tokens": tokens, "mask": torch.ones(2, 3, dtype=torch.bool), "cached": False}
    network = gates(Reader().eval(), example)
    measure = Measure("RMSE", higher_is_better=False, best=0.0, share=False)
    one = family(network)
    return replace(
        one,
        normalize=None,
        own_task=StoredTask(measure),
        calibration=(example,),
        classes=(),
        archive=tuple(replace(item, score=3.0 + item.score, measure=measure) for item in one.archive),
    )


def _refined() -> Family:
    one = family(_cells())
    trained = [Trained(item.architecture, 0.6 + item.score / 4, f"m{n}") for n, item in enumerate(one.archive[:3])]
    return refined(one, trained, "retrained", 2)


MAKERS = {
    "cells": lambda: [
        family(_cells()),
        family(_cells(), Budget(3.0), "piecewise_linear", pivots=3),
        family(_cells(), OperationSimplex(2.0), "kernel", pivots=3),
        family(_cells(), hypernet="mlp", hidden=[4]),
    ],
    "nas_bench_201": lambda: [family(_bench())],
    "devices": lambda: [_of_two_devices()],
    "refined": lambda: [_refined()],
    "gates": lambda: [family(_gates({"name": "resnet20", "width": 1, "input_shape": [1, 8, 8], "classes": 2}))],
    "closed": lambda: [
        family(_gates(None)),
        family(_gates({"name": "os:abort", "width": None, "input_shape": [1, 8, 8], "classes": 2})),
        _of_texts(),
    ],
}


@cache
def folders(kind: str, place: Path) -> Sequence[Path]:
    """Return folders of saved families of a kind."""
    return [save_family(one, place / f"{kind}{number}").parent for number, one in enumerate(families(kind))]


@cache
def families(kind: str) -> Sequence[Family]:
    """Return the families of a kind, which nobody changes: putting gates on a network takes a second."""
    torch.manual_seed(0)
    return MAKERS[kind]()


def begun() -> SearchState:
    """Return a search before its first step."""
    data, network = small_data(), tiny(in_channels=1, classes=3, cells=1, nodes=1, channels=2)
    settings = replace(small_settings("predictor"), hypernet={"kind": "linear"})
    return begin(network, data, counted_table(network), Scalar(), settings, 0)


def on_its_way() -> SearchState:
    """Return a search after one step of each optimizer."""
    state = begun()
    step(state)
    state.archive = [Evaluated(one, 0.5, 1.0, ACCURACY) for one in drawn(state.network.space, 3)]
    state.pending = drawn(state.network.space, 2, seed=1)
    state.dial = Scalar(0.02, 5.0)
    return state


def step(state: SearchState) -> None:
    """Let both optimizers take what they noted for what it is."""
    for module, optimizer in (
        (state.network, state.weights_optimizer),
        (state.hypernet, state.hypernet_optimizer),
    ):
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()


def small_model() -> nn.Module:
    """A model whose weights a file may hold."""
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))


def result_files() -> dict[str, dict[str, Any]]:
    """Return members.json, comparison.json and experiments.json as the commands write them."""
    head = {"version": 1, "config": {"search": {"epochs": 2}}, "seed": 0, "versions": {"torch": "2"}, "device": "cpu"}
    provenance = {"accuracy": "measured", "accuracy_split": "test", "latency_ms": "predicted"}
    rows = [
        {
            "dial": 0.1 * (1 + place),
            "architecture": {"normal/2<-0": "identity", "normal/2<-1": "none"},
            "accuracy": 0.8 - 0.1 * place,
            "latency_ms": 3.5 - place,
            "parameters": 1_000 + place,
            "flops": 20_000,
            "counts": {"identity": 1, "none": 1},
            "provenance": provenance,
        }
        for place in range(2)
    ]
    members = {
        "format": "archdial.members",
        **head,
        "data": "digits",
        "dial": {"kind": "scalar"},
        "kinds": ["identity", "none"],
        "range": {"latency_ms": [0.4, 6.3]},
        "members": rows,
        "front": [1, 0],
        "archive": [{"accuracy": 0.5, "latency_ms": 1.25}],
    }
    compared = {"latency_ms": 1.5, "accuracy": 0.8, "validation_accuracy": 0.75, "parameters": 99}
    method = {"evaluations": 20, "area": 0.5, "hypervolume": 0.25, "members": [compared], "chosen_by": "latency_ms"}
    full = {"name": "whole", "latency_ms": 3.0, "accuracy": 0.9, "provenance": {}}
    comparison = {
        "format": "archdial.comparison",
        **head,
        "data": "digits",
        "accuracy_split": "test",
        "full": full,
        "methods": [{"name": "hypernetwork", **method}, {"name": "random", **method}],
    }
    along = [{"lambda": 0.01, "accuracy": 0.8, "latency_ms": 3.0}, {"lambda": 10.0, "accuracy": 0.2, "latency_ms": 0.5}]
    experiments = {
        "format": "archdial.experiments",
        **head,
        "data": "digits",
        "alone": {"points": along, "fall": 12.5, "chance": 0.1},
        "hypernetwork": {"points": along},
        "relaxed": {"points": [{"dial": 0.1, "relaxed": 0.8, "discrete": 0.79}], "mean_difference": 0.01},
    }
    both = {"members": members, "comparison": comparison, "experiments": experiments}
    return {name: json.loads(json.dumps(value)) for name, value in both.items()}
