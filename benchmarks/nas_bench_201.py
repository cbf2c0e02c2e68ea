"""Families for many devices from one supernet, judged by NAS-Bench-201's tabulated truth.

    archdial search nas_bench_201 --data CIFAR10 --out RUN
    python benchmarks/nas_bench_201.py RUN DEVICES.csv.gz [--count 24] [--measured 500] [--leave-out pixel3,gold_6240]
        [--seed 0]

DEVICES.csv.gz holds, of each of 15,625 architectures, the accuracy after 200 epochs on CIFAR-10 and the latency on each
device. Of the latencies as many as `--measured` are read for a device's cost table: a sum over choices and pairs of
choices, fitted to them. Accuracies are read when the search is over, to judge what it found. The hypernetwork is
trained for all devices together; the members at `--count` positions of each device's dial are looked up.

Accuracy and latency are scaled to [0, 1] over the whole space; hypervolume with reference point (1, 1) of (latency,
error), as a share of that of the true front. Prints one line of JSON a device and one with means.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from archdial import Scalar, add_device, redial
from archdial.cost.table import CostEntry, CostTable, CostTerm
from archdial.family import Family
from archdial.metrics import hypervolume, kendall_tau
from archdial.networks.nas_bench_201 import architecture_of
from archdial.runs import open_family
from archdial.space import Architecture, Space

Array = NDArray[numpy.float64]
RIDGE = 1e-3
NOT_DEVICES = ("architecture", "cifar10", "cifar100", "imagenet16_120")


@dataclass(frozen=True)
class Truth:
    """Accuracy and, by device, latency of each architecture, in the order of `index`."""

    index: Mapping[Architecture, int]
    accuracy: Array
    latency: Mapping[str, Array]

    def volume(self, device: str, architectures: Sequence[Architecture]) -> float:
        """Return the hypervolume of `architectures` on `device`, as a share of that of all there are."""
        return self._volume(device, [self.index[a] for a in architectures]) / self._volume(
            device, range(len(self.index))
        )

    def _volume(self, device: str, rows: Sequence[int] | range) -> float:
        costs, accuracies = (_scaled(values)[list(rows)] for values in (self.latency[device], self.accuracy))
        return hypervolume(costs.tolist(), accuracies.tolist(), reference_cost=1.0)


def _scaled(values: Array) -> Array:
    return (values - values.min()) / (values.max() - values.min())


def read(path: Path, space: Space) -> Truth:
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    devices = [name for name in rows[0] if name not in NOT_DEVICES]
    index = {architecture_of(space, row["architecture"]): number for number, row in enumerate(rows)}
    accuracy = numpy.array([float(row["cifar10"]) for row in rows])
    return Truth(index, accuracy, {name: numpy.array([float(row[name]) for row in rows]) for name in devices})


def table(space: Space, device: str, measured: Mapping[Architecture, float]) -> CostTable:
    """Return a cost table over choices and pairs of them, by ridge regression on what was measured."""
    pairs = list(combinations(range(len(space.choices)), 2))
    hot = space.one_hots(measured).double()
    features = [hot.flatten(1), *((hot[:, a, :, None] * hot[:, b, None, :]).flatten(1) for a, b in pairs)]
    inputs, wanted = torch.cat(features, 1).numpy(), numpy.array(list(measured.values()))
    mean = wanted.mean()
    # Pairs are drawn to zero more strongly: they correct what the single choices leave.
    weight = (
        numpy.sqrt(RIDGE * len(wanted))
        * numpy.r_[numpy.ones(hot[0].numel()), 3 * numpy.ones(inputs.shape[1] - hot[0].numel())]
    )
    solution, *_ = numpy.linalg.lstsq(
        numpy.vstack([inputs, numpy.diag(weight)]), numpy.r_[wanted - mean, numpy.zeros(inputs.shape[1])], rcond=None
    )
    blocks = numpy.split(solution, numpy.cumsum([block.shape[1] for block in features])[:-1])
    return _table(space, device, float(mean), blocks, pairs)


def _table(space: Space, device: str, mean: float, blocks: list[Array], pairs: list[tuple[int, int]]) -> CostTable:
    # Entries are never negative: what the least of a term is below zero goes to the constant.
    m, k = space.shape
    single = blocks[0].reshape(m, k)
    constant = mean + float(single.min(1).sum()) + sum(float(block.min()) for block in blocks[1:])
    names = [choice.name for choice in space.choices]
    options = space.choices[0].options

    def entry(taken: tuple[str, ...], value: float) -> CostEntry:
        return CostEntry(taken, value, 0.0, 0, 0, 0)

    terms = [CostTerm((), (entry((), max(constant, 0.0)),))]
    for name, row in zip(names, single, strict=True):
        terms.append(
            CostTerm((name,), tuple(entry((o,), float(v - row.min())) for o, v in zip(options, row, strict=True)))
        )
    for (a, b), block in zip(pairs, blocks[1:], strict=True):
        values = (block - block.min()).reshape(k, k)
        entries = (entry((p, q), float(values[i, j])) for i, p in enumerate(options) for j, q in enumerate(options))
        terms.append(CostTerm((names[a], names[b]), tuple(entries)))
    header = {"device": "cpu", "device_name": device, "runtime": "eager", "threads": 1, "batch_size": 1}
    return CostTable(space.fingerprint, header, tuple(terms))


def chosen(truth: Truth, count: int, seed: int) -> list[Architecture]:
    every = list(truth.index)
    return [every[number] for number in numpy.random.default_rng(seed).permutation(len(every))[:count]]


def tables_of(truth: Truth, space: Space, count: int, seed: int) -> dict[str, CostTable]:
    """Return the table of each device from the latencies of the same `count` random architectures."""
    picked = chosen(truth, count, seed)
    return {
        device: table(space, device, {a: float(values[truth.index[a]]) for a in picked})
        for device, values in truth.latency.items()
    }


def along(family: Family, count: int) -> list[Architecture]:
    return [member.architecture for member in family.along(count)]


def most_multiplications(family: Family, truth: Truth, device: str, count: int) -> list[Architecture]:
    """Return for each of `count` latency quantiles the most multiplications that fit it: no search at all."""
    every, latency = list(truth.index), truth.latency[device]
    flops = family.costs["flops"](family.space.one_hots(every)).numpy()
    return [every[int(numpy.where(latency <= limit, flops, -1).argmax())] for limit in _limits(latency, count)]


def truly_best(truth: Truth, device: str, count: int) -> list[Architecture]:
    every, latency = list(truth.index), truth.latency[device]
    return [every[int(numpy.where(latency <= limit, truth.accuracy, -1).argmax())] for limit in _limits(latency, count)]


def _limits(latency: Array, count: int) -> Array:
    return numpy.quantile(latency, numpy.linspace(0, 1, count))


def supernet_tau(family: Family, truth: Truth) -> float:
    seen = [item for item in family.archive if item.architecture in truth.index]
    true = [float(truth.accuracy[truth.index[item.architecture]]) for item in seen]
    return kendall_tau([item.accuracy for item in seen], true)


def report(family: Family, truth: Truth, options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for device in truth.latency:
        ours = along(family.on(device), options.count)
        random = chosen(truth, options.count, options.seed + 1)
        rules = most_multiplications(family, truth, device, options.count)
        rows.append(
            {
                "device": device,
                "ours": truth.volume(device, ours),
                "distinct": len(set(ours)),
                "random": truth.volume(device, random),
                "most_multiplications": truth.volume(device, rules),
                "truly_best": truth.volume(device, truly_best(truth, device, options.count)),
            }
        )
    return rows


def left_out(
    searched: Family, truth: Truth, tables: Mapping[str, CostTable], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return what each device left out of the search gets, from its features alone and by retraining the dial."""
    rows = []
    for device in options.leave_out:
        others = {name: value for name, value in tables.items() if name != device}
        family = redial(searched, Scalar(), others, seed=options.seed)
        by = {
            kind: add_device(family, device, tables[device], retrain=kind == "retrained")
            for kind in ("features", "retrained")
        }
        volumes = {kind: truth.volume(device, along(one, options.count)) for kind, one in by.items()}
        rows.append({"left_out": device, **volumes})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("devices", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--measured", type=int, default=500)
    parser.add_argument("--leave-out", type=lambda text: text.split(","), default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    searched = open_family(options.run)
    truth = read(options.devices, searched.space)
    tables = tables_of(truth, searched.space, options.measured, options.seed)
    family = redial(searched, Scalar(), tables, seed=options.seed)
    rows = report(family, truth, options)
    for row in [*rows, *left_out(searched, truth, tables, options)]:
        print(json.dumps(row), flush=True)
    names = ("ours", "random", "most_multiplications", "truly_best")
    means = {name: float(numpy.mean([row[name] for row in rows])) for name in names}
    beaten = sum(row["ours"] > row["most_multiplications"] for row in rows)
    print(
        json.dumps(
            {
                "devices": len(rows),
                **means,
                "beats_most_multiplications_on": beaten,
                "tau": supernet_tau(searched, truth),
            }
        )
    )


if __name__ == "__main__":
    main()
