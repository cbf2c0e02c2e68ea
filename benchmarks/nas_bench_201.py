"""Families for many devices from one supernet, judged by NAS-Bench-201's tabulated truth.

    python benchmarks/nas_bench_201_tables.py DEVICES.csv.gz TABLES
    archdial search nas_bench_201 --data CIFAR10 --out RUN --table 1080ti_1=TABLES/1080ti_1.json --table …
    python benchmarks/nas_bench_201.py RUN DEVICES.csv.gz [--count 24] [--leave-out pixel3,gold_6240] [--seed 0]
        [--dial chebyshev --dial-steps 2000]

Accuracies are read when the search is over, to judge what it found: the members at `--count` positions of each device's
dial are looked up, by true accuracy and true latency; so are those of other dials, refitted to the same evaluations (λ
as a sum, which reaches the convex hull only, as the greater of both, and a budget), and what `within` answers to
as many budgets evenly over the range. A device left out gets its family from its features alone and from retraining the
dial, after a dial was trained without it. With `--dial`, a run's family gets that dial first, from the evaluations that
it has.

Accuracy and latency are scaled to [0, 1] over the whole space; hypervolume with reference point (1, 1) of (latency,
error), as a share of that of the true front. Prints one line of JSON a device and one with means.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch

from archdial import Budget, Scalar, add_device, redial
from archdial.common.metrics import kendall_tau
from archdial.cost.table.margin import NO_MARGIN
from archdial.dial import Chebyshev, make_dial
from archdial.families.family import Family
from archdial.runs.folder import read_run
from archdial.runs.opening import open_family
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture
from nas_bench_201_tables import Array, Truth, chosen, counts, read

DIALS = (Scalar(), Chebyshev(), Budget())
"""Fitted to the evaluations of the run, to be compared."""

DRAWS = 10
"""Random sets of architectures, of whose hypervolumes the mean is told."""


def along(family: Family, count: int) -> list[Architecture]:
    return [member.architecture for member in family.along(count)]


def asked(family: Family, count: int) -> list[Architecture]:
    """Return what `within` answers to `count` budgets evenly over the range of a device, without a margin."""
    cost = family.costs["latency_ms"]
    # A budget that equals the least cost may lie below it by a rounding.
    budgets = numpy.linspace(cost.lowest * (1 + 1e-6), cost.highest, count)
    return [family.within(latency_ms=float(budget), confidence=NO_MARGIN).architecture for budget in budgets]


def multiplications(family: Family, truth: Truth) -> Array:
    """Return those of each architecture, in the order of `truth`."""
    work = torch.tensor([counts(option)[1] for option in family.space.choices[0].options], dtype=torch.float64)
    result: Array = (family.space.one_hots(truth.index).double() @ work).sum(1).numpy()
    return result


def most_multiplications(flops: Array, truth: Truth, device: str, count: int) -> list[Architecture]:
    """Return for each of `count` latency quantiles the most multiplications that fit it, of equals the quickest."""
    every, latency = list(truth.index), truth.latency[device]
    order = numpy.lexsort((latency, -flops))
    return [every[order[int((latency[order] <= limit).argmax())]] for limit in _limits(latency, count)]


def truly_best(truth: Truth, device: str, count: int) -> list[Architecture]:
    every, latency = list(truth.index), truth.latency[device]
    return [every[int(numpy.where(latency <= limit, truth.accuracy, -1).argmax())] for limit in _limits(latency, count)]


def _limits(latency: Array, count: int) -> Array:
    return numpy.quantile(latency, numpy.linspace(0, 1, count))


def supernet_tau(family: Family, truth: Truth, first: int | None = None) -> float:
    """Return Kendall τ between supernet accuracy and true accuracy of what was evaluated, or of the `first` of it."""
    seen = family.archive[:first]
    return kendall_tau([item.accuracy for item in seen], _true(seen, truth))


def judged_tau(family: Family, truth: Truth, first: int) -> float:
    """Return the same of what all views of the `first` evaluated architectures together speak for."""
    seen = family.archive[:first]
    return kendall_tau([item.believed for item in seen], _true(seen, truth))


def predicted_tau(family: Family, truth: Truth, first: int) -> float:
    """Return the same of what the predictor, which was fitted to all of them, says of the `first`."""
    seen = family.archive[:first]
    with torch.no_grad():
        errors = family.predictor(family.space.one_hots(item.architecture for item in seen))
    return kendall_tau(-errors, _true(seen, truth))


def _true(seen: Sequence[Evaluated], truth: Truth) -> list[float]:
    return [float(truth.accuracy[truth.index[item.architecture]]) for item in seen]


def report(family: Family, truth: Truth, options: argparse.Namespace) -> list[dict[str, Any]]:
    assert family.devices is not None
    rows, flops = [], multiplications(family, truth)
    tables = family.devices.tables
    dials = {dial.kind: redial(family, dial, tables, seed=options.seed) for dial in DIALS}
    for device in truth.latency:
        ours = along(family.on(device), options.count)
        random = [
            truth.volume(device, chosen(truth, options.count, options.seed + draw)) for draw in range(1, DRAWS + 1)
        ]
        rules = most_multiplications(flops, truth, device, options.count)
        rows.append(
            {
                "device": device,
                "ours": truth.volume(device, ours),
                "distinct": len(set(ours)),
                "within": truth.volume(device, asked(family.on(device), options.count)),
                **{kind: truth.volume(device, along(one.on(device), options.count)) for kind, one in dials.items()},
                "random": float(numpy.mean(random)),
                "most_multiplications": truth.volume(device, rules),
                "truly_best": truth.volume(device, truly_best(truth, device, options.count)),
            }
        )
    return rows


def turned(searched: Family, options: argparse.Namespace) -> Family:
    """Return the family of the run with the dial, and the steps of its fits, that are asked for."""
    if options.dial_steps is not None:
        config = searched.info["config"]
        search = {**config["search"], "dial_steps": options.dial_steps}
        searched = replace(searched, info={**searched.info, "config": {**config, "search": search}})
    if options.dial is None:
        return searched
    assert searched.devices is not None
    return redial(searched, make_dial({"kind": options.dial}), searched.devices.tables, seed=options.seed)


def left_out(searched: Family, truth: Truth, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what each device left out gets from its features alone, by retraining the dial, and when it is there."""
    assert searched.devices is not None
    tables = searched.devices.tables
    dial = searched.dial.opened()
    all_there = redial(searched, dial, tables, seed=options.seed)
    rows = []
    for device in options.leave_out:
        others = {name: value for name, value in tables.items() if name != device}
        family = redial(searched, dial, others, seed=options.seed)
        by = {
            "there": all_there.on(device),
            "features": add_device(family, device, tables[device], retrain=False),
            "retrained": add_device(family, device, tables[device], seed=options.seed),
        }
        volumes = {kind: truth.volume(device, along(one, options.count)) for kind, one in by.items()}
        rows.append({"left_out": device, **volumes})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("devices", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--leave-out", type=lambda text: text.split(","), default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dial", choices=[dial.kind for dial in DIALS])
    parser.add_argument("--dial-steps", type=int)
    options = parser.parse_args()
    searched = open_family(options.run)
    if searched.devices is None:
        parser.error(f"{options.run} was searched for one device: give archdial search the tables of all")
    searched = turned(searched, options)
    truth = read(options.devices, searched.space)
    rows = report(searched, truth, options)
    for row in [*rows, *left_out(searched, truth, options)]:
        print(json.dumps(row), flush=True)
    ours = ("ours", "within", *(dial.kind for dial in DIALS))
    names = (*ours, "random", "most_multiplications", "truly_best")
    means = {name: float(numpy.mean([row[name] for row in rows])) for name in names}
    beaten = {name: sum(row[name] > row["most_multiplications"] for row in rows) for name in ours}
    least = {name: min(row[name] for row in rows) for name in ours}
    sample = read_run(options.run).recipe.search.sample
    print(
        json.dumps(
            {
                "devices": len(rows),
                **means,
                "least": least,
                "beats_most_multiplications_on": beaten,
                "tau_of_sample": supernet_tau(searched, truth, sample),
                "tau_of_sample_judged": judged_tau(searched, truth, sample),
                "tau_of_sample_predicted": predicted_tau(searched, truth, sample),
                "tau_of_all_evaluated": supernet_tau(searched, truth),
            }
        )
    )


if __name__ == "__main__":
    main()
