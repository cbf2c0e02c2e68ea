"""What it brings to compute only the pixels that are read: latency of members with it and without, in the same rounds.

    python benchmarks/gates_grain.py RUN [--runtimes eager,onnxruntime] [--count 12]

RUN is one of gates. Of its front up to `--count` members that differ are built both ways and timed at batch 1 on one
thread. Prints one line of JSON a runtime: how many of the front differ, and for each of those the share of the whole
network's FLOPs without it, and its latency with it divided by that without.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

from torch import nn

from archdial.cost.making.profiling import measure_many
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.grain import GRAIN
from archdial.runs.opening import open_family
from archdial.space import Architecture


def without_grain(network: GatedNetwork) -> GatedNetwork:
    result = copy.deepcopy(network)
    for node in result.graph.nodes:
        node.meta.pop(GRAIN, None)
    return result


def strides(module: nn.Module) -> list[tuple[int, ...]]:
    return [part.stride for part in module.modules() if isinstance(part, nn.Conv2d)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtimes", default="eager,onnxruntime")
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    family = open_family(options.run)
    network, flops = family.network, family.costs["flops"]
    assert isinstance(network, GatedNetwork) and network.whole is not None
    full = without_grain(network)
    front = [member.architecture for member in family.front()]

    def differs(architecture: Architecture) -> bool:
        return strides(network.build(architecture)) != strides(full.build(architecture))

    differing = [architecture for architecture in front if differs(architecture)]
    chosen = differing[:: max(1, len(differing) // options.count)][: options.count]
    for runtime in options.runtimes.split(","):
        built = [one.build(architecture).eval() for architecture in chosen for one in (network, full)]
        found = measure_many([(module, shape_of(network.example)) for module in built], runtime=runtime)
        ratios = [a.median_ms / b.median_ms for a, b in zip(found[::2], found[1::2], strict=True)]
        whole = flops.of(network.whole)
        row = {
            "runtime": runtime,
            "front": len(front),
            "differ": len(differing),
            "flops": [round(flops.of(architecture) / whole, 3) for architecture in chosen],
            "latency_ratio": [round(ratio, 3) for ratio in ratios],
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
