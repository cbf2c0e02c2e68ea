"""Cost tables of NAS-Bench-201's devices, each fitted to some measured latencies; and the benchmark's truth.

    python benchmarks/nas_bench_201_tables.py DEVICES.csv.gz FOLDER [--measured 500] [--seed 0]

DEVICES.csv.gz holds, of each of 15,625 architectures, the accuracy after 200 epochs on CIFAR-10 and the latency on each
device. A table is a sum over choices and pairs of choices, by ridge regression on the latencies of `--measured` random
architectures; no accuracy is looked at. Prints how far the tables are from the latencies of the others.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from archdial.common.metrics import hypervolume, kendall_tau
from archdial.cost.making.counting import count
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.networks.cells.nas_bench_201 import Plan, architecture_of
from archdial.networks.cells.operations import make_operation
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
        return self._volume(device, [self.index[a] for a in architectures]) / self._whole[device]

    @cached_property
    def _whole(self) -> dict[str, float]:
        """Hypervolume of all there are, by device."""
        return {device: self._volume(device, range(len(self.index))) for device in self.latency}

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


def any_table(space: Space, truth: Truth) -> CostTable:
    """Return the table of the first device, fitted to 500 latencies, where it matters little which device it is."""
    device = next(iter(truth.latency))
    known = {a: float(truth.latency[device][truth.index[a]]) for a in chosen(truth, 500, 0)}
    return table(space, device, known)


def _table(space: Space, device: str, mean: float, blocks: list[Array], pairs: list[tuple[int, int]]) -> CostTable:
    # Entries are never negative: what the least of a term is below zero goes to the constant.
    m, k = space.shape
    single = blocks[0].reshape(m, k)
    constant = mean + float(single.min(1).sum()) + sum(float(block.min()) for block in blocks[1:])
    names = [choice.name for choice in space.choices]
    options = space.choices[0].options

    work = {option: counts(option) for option in options}

    def entry(taken: tuple[str, ...], value: float) -> CostEntry:
        parameters, flops = work[taken[0]] if len(taken) == 1 else (0, 0)
        return CostEntry(taken, value, 0.0, parameters, flops, 0)

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


@cache
def counts(option: str) -> tuple[int, int]:
    """Return parameters and FLOPs of `option` on one edge of the benchmark's own networks, all cells together."""
    plan = Plan()
    parameters = flops = 0
    for channels, size in plan.stages:
        module = make_operation(option, channels, 1)
        if module is not None:
            found = count(module, (channels, *size))
            parameters, flops = parameters + plan.cells * found.parameters, flops + plan.cells * found.flops
    return parameters, flops


def tables_of(truth: Truth, space: Space, count: int, seed: int) -> dict[str, CostTable]:
    """Return the table of each device from the latencies of the same `count` random architectures."""
    picked = chosen(truth, count, seed)
    return {
        device: table(space, device, {a: float(values[truth.index[a]]) for a in picked})
        for device, values in truth.latency.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("devices", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measured", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    space = Plan().space()
    truth = read(options.devices, space)
    picked = set(chosen(truth, options.measured, options.seed))
    others = [architecture for architecture in truth.index if architecture not in picked]
    options.folder.mkdir(parents=True, exist_ok=True)
    for device, fitted in tables_of(truth, space, options.measured, options.seed).items():
        fitted.save(options.folder / f"{device}.json")
        predicted = ExpectedCost(space, fitted, "latency_ms")(space.one_hots(others).double()).numpy()
        measured = numpy.array([truth.latency[device][truth.index[architecture]] for architecture in others])
        print(
            json.dumps(
                {
                    "device": device,
                    "median_error": float(numpy.median(abs(predicted / measured - 1))),
                    "tau": kendall_tau(predicted.tolist(), measured.tolist()),
                }
            )
        )


if __name__ == "__main__":
    main()
