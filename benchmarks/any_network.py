"""Networks that nobody here wrote: is each captured, priced as it runs, and built right?

    python benchmarks/any_network.py [--only NAME …] [--repeats 30] [--networks 32] [--no-pricing]

A line a network: gates, the largest difference of three random members from the gates' own forward over the largest
output, parameters in the table over those that are used, and the latency that the table has for the whole network over
the one that is measured afterwards, at the pace of then: networks that the table was fitted to are measured again
beside it. Weights are random, sizes small.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import torch
from torch import nn

import archdial as ad
from archdial.common.errors import first_line
from archdial.cost.making.profiling import measure_many
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.graph.capture.outputs import tensors_of
from networks import images, own, signals, texts

AGAIN = 9
"""Networks of the fit that tell the pace."""

NETWORKS = {**texts.NETWORKS, **images.NETWORKS, **signals.NETWORKS, **own.NETWORKS}


def judged(name: str, repeats: int | None, networks: int | None = None) -> tuple[str, bool]:
    """Return the line of a network, and whether all of it is as it should be; without `repeats` nothing is priced."""
    make, example, outputs = NETWORKS[name]
    torch.manual_seed(0)
    began = time.perf_counter()
    net = ad.gates(make().eval(), example, outputs=outputs)
    apart = max(difference(net, example, seed) for seed in range(3))
    if repeats is None:
        seconds = time.perf_counter() - began
        return f"{name:30} {len(net.gates):4} {apart:9.1e} {'–':>8} {'–':>8} {'–':>7} {seconds:6.0f}", apart < 1e-4
    table = ad.profile(net, repeats=repeats, networks=networks)
    price = {column: ExpectedCost(net.space, table, column).of(net.whole) for column in ("latency_ms", "parameters")}
    whole = net.build(net.whole)
    measured = at_its_pace(net, whole, table, repeats)
    counted = price["parameters"] / sum(one.numel() for one in whole.parameters())
    ratio = price["latency_ms"] / measured
    seconds = time.perf_counter() - began
    line = f"{name:30} {len(net.gates):4} {apart:9.1e} {counted:8.3f} {measured:8.3f} {ratio:7.2f} {seconds:6.0f}"
    return line, apart < 1e-4 and abs(counted - 1) < 1e-6 and abs(ratio - 1) <= 0.1


def at_its_pace(net: Any, whole: nn.Module, table: ad.CostTable, repeats: int) -> float:
    """Return the milliseconds of `whole`, as long as they took when the table was made."""
    known = [one for one in table.networks if net.space.parse(one.architecture) != net.whole][:AGAIN]
    built = [net.build(net.space.parse(one.architecture)) for one in known]
    found = measure_many([(module, net.example) for module in (whole, *built)], repeats=repeats)
    pace = [now.median_ms / then.latency_ms for now, then in zip(found[1:], known, strict=True)]
    return found[0].median_ms / (statistics.median(pace) if pace else 1.0)


@torch.no_grad()
def difference(net: Any, example: Any, seed: int) -> float:
    """Return how far a random member's outputs are from the gates' own, over the largest."""
    drawn = net.space.random(torch.Generator().manual_seed(seed))
    built, under = net.build(drawn)(*net.calling.flat(example)), net(example, net.space.one_hot(drawn))
    pairs = zip(tensors_of(built), tensors_of(under), strict=True)
    return max(float((one - other).abs().max() / other.abs().max().clamp_min(1e-6)) for one, other in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NETWORKS)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--networks", type=int, help="that tables are fitted to; by default as many as profile takes")
    parser.add_argument("--no-pricing", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    good, names = 0, options.only or list(NETWORKS)
    print(f"{'network':30} {'gates':>4} {'apart':>9} {'counted':>8} {'ms':>8} {'table':>7} {'s':>6}", flush=True)
    for name in names:
        try:
            line, right = judged(name, None if options.no_pricing else options.repeats, options.networks)
        except Exception as error:
            line, right = f"{name:30} {type(error).__name__}: {first_line(error)}", False
        good += right
        print(line if right else f"{line}  *", flush=True)
    print(f"{good} of {len(names)}; * is what is not")


if __name__ == "__main__":
    main()
