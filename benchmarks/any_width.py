"""Networks that nobody here wrote: which widths have they, and are members built right?

    python benchmarks/any_width.py [--only NAME …] [--members 20]

A line a network: width groups by kind, choices, seconds until these were found, and of so many random members, widths
and gates mixed, the largest difference of what is built from the masked supernet, over the largest output; then how
many networks have groups, and how many of those are built right (to 1e-4). Weights are random, sizes small.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from typing import Any

import torch
from torch import nn

import archdial as ad
from archdial.common.errors import first_line
from archdial.networks.calling import calling_of
from archdial.networks.graph.capture.outputs import tensors_of
from archdial.networks.statistics import recalibrate
from networks import images, own, signals, texts

NETWORKS = {**texts.NETWORKS, **images.NETWORKS, **signals.NETWORKS, **own.NETWORKS}
MULTIPLE = 1
"""Sizes are small here: rounded to eight channels most groups would have one width."""


def difference(net: Any, example: Any, seed: int) -> float:
    """Return how far a random member's outputs are from those of the masked supernet, over the largest."""
    drawn = net.space.random(torch.Generator().manual_seed(seed))
    under = net(example, net.space.one_hot(drawn).requires_grad_())
    with torch.no_grad():
        built = net.build(drawn)(*net.calling.flat(example))
    pairs = zip(tensors_of(built), tensors_of(under), strict=True)
    return max(float((one - other).abs().max() / other.abs().max().clamp_min(1e-6)) for one, other in pairs)


def lively(model: nn.Module, example: Any) -> nn.Module:
    """Return `model` with the statistics that BatchNorm takes of the example: with new ones outputs vanish."""
    calling, tensors = calling_of(example, model)
    recalibrate(model, lambda found: calling.call(model, found), [tensors])
    return model


def judged(name: str, members: int) -> tuple[str, bool, bool]:
    """Return the line of a network, whether it has groups, and whether its members are right."""
    make, example, outputs = NETWORKS[name]
    torch.manual_seed(0)
    began = time.perf_counter()
    net = ad.choices(lively(make().eval(), example), example, outputs=outputs, multiple=MULTIPLE)
    seconds = time.perf_counter() - began
    kinds = Counter(group.kind for group in net.widths.groups)
    slim = any(choice.groups for choice in net.choices)
    apart = max(difference(net, example, seed) for seed in range(members))
    groups = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    return f"{name:30} {len(net.choices):4} {apart:9.1e} {seconds:6.1f}  {groups}", slim, apart < 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NETWORKS)
    parser.add_argument("--members", type=int, default=20)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    names = options.only or list(NETWORKS)
    print(f"{'network':30} {'n':>4} {'apart':>9} {'s':>6}  groups", flush=True)
    found = []
    for name in names:
        try:
            line, slim, right = judged(name, options.members)
        except Exception as error:
            line, slim, right = f"{name:30} {type(error).__name__}: {first_line(error)}", False, False
        found.append((slim, right))
        print(line if right else f"{line}  *", flush=True)
    slim_ones = sum(slim for slim, _ in found)
    good = sum(slim and right for slim, right in found)
    print(f"{slim_ones} of {len(names)} have width groups, {good} of them are built right; * is what is not")


if __name__ == "__main__":
    main()
