"""Layers made one where activations between them are dropped: predicted and measured, with and without.

    python benchmarks/merged_layers.py [--runtimes eager,onnxruntime] [--repeats 30]

A chain of unpadded 3×3 and 1×1 convolutions with BatchNorm and ReLU, 48×48 images, batch 1, one thread. The member
drops every activation between a 3×3 and a 1×1.
"""

from __future__ import annotations

import argparse
import json

import torch
from torch import nn

import archdial as ad
from archdial.cost.making.profiling import measure_many
from archdial.cost.pricing.expected import ExpectedCost
from archdial.space import Architecture

CHANNELS = (32, 48, 64, 64)


def chain() -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    taken = 3
    for given in CHANNELS:
        layers += [nn.Conv2d(taken, given, 3), nn.BatchNorm2d(given), nn.ReLU()]
        layers += [nn.Conv2d(given, given, 1), nn.BatchNorm2d(given), nn.ReLU()]
        taken = given
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(taken, 10)).eval()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtimes", default="eager,onnxruntime")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, example = chain(), torch.randn(1, 3, 48, 48)
    net = ad.gates(model, example, include=["activation"])
    first = {str(number) for number in range(2, 6 * len(CHANNELS), 6)}
    dropped = Architecture(tuple(int(choice.name in first) for choice in net.choices))
    for runtime in options.runtimes.split(","):
        table = ad.profile(net, runtime=runtime, repeats=options.repeats)
        rows = table.merging(net.space.describe(dropped))
        apart, one = net.build(dropped), net.merge(net.build(dropped), rows)
        shape = (3, 48, 48)
        subjects = [(module, shape) for module in (model, apart, one)]
        whole, unmerged, merged = measure_many(subjects, runtime=runtime, repeats=options.repeats)
        difference = float((apart(example) - one(example)).abs().max() / apart(example).abs().max())
        row = {
            "runtime": runtime,
            "merged": rows,
            "whole_ms": whole.median_ms,
            "apart_ms": unmerged.median_ms,
            "one_ms": merged.median_ms,
            "predicted_ms": ExpectedCost(net.space, table).of(dropped),
            "one_over_apart": merged.median_ms / unmerged.median_ms,
            "outputs_apart": difference,
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
