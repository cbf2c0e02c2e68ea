"""What a search step costs: ratios from one run, interleaved, medians.

    python benchmarks/step.py [--threads 2] [--rounds 12]

1. soft mixture of all options : single sampled path
2. single path through the supernet : training the same architectures as built modules
3. one operation registered eight times : three times
4. peak memory of a search step : of training the largest member
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from archdial import cells, register_operation
from archdial.common.memory import keep_freed_memory
from archdial.networks.cells.network import CellNetwork
from archdial.networks.cells.operations import OPERATIONS
from archdial.searching.paths import make_paths

OPERATIONS_5 = ("max_pool_3x3", "avg_pool_3x3", "identity", "sep_conv_3x3", "dil_conv_3x3")
BATCH = 64


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 1, 28, 28, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (BATCH,), generator=generator)


def trainer(module: nn.Module, *extra: torch.Tensor) -> Callable[[], None]:
    """Return one step of training: forward, backward, clipping, SGD."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    images, labels = batch()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(module(images, *extra), labels).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()

    return step


def network(operations: tuple[str, ...], stem_stride: int) -> CellNetwork:
    torch.manual_seed(0)
    return cells(1, 10, operations=operations, stem_stride=stem_stride)


def interleaved(steps: list[Callable[[], None]], rounds: int) -> list[float]:
    """Return the median milliseconds of each step; the rounds alternate between them."""
    samples: list[list[float]] = [[] for _ in steps]
    for number in range(rounds + 1):
        for step, sample in zip(steps, samples, strict=True):
            start = time.perf_counter()
            step()
            if number:
                sample.append(1000 * (time.perf_counter() - start))
    return [statistics.median(sample) for sample in samples]


def soft_against_single(rounds: int, stem_stride: int) -> dict[str, float]:
    net = network(OPERATIONS_5, stem_stride)
    paths = make_paths("uniform", net.space)
    generator = torch.Generator().manual_seed(1)
    drawn = [net.space.one_hot(paths.draw(generator)) for _ in range(rounds + 1)]
    soft = torch.softmax(torch.randn(net.space.shape, generator=generator), -1)
    turn = iter(drawn)
    steps = {id(w): trainer(net, w) for w in drawn}
    mixture, single = interleaved([trainer(net, soft), lambda: steps[id(next(turn))]()], rounds)
    return {"soft_ms": mixture, "single_ms": single, "soft/single": mixture / single}


def single_against_built(rounds: int, stem_stride: int) -> dict[str, float]:
    net = network(OPERATIONS_5, stem_stride)
    paths = make_paths("uniform", net.space)
    generator = torch.Generator().manual_seed(2)
    ratios, singles, alone = [], [], []
    for _ in range(rounds):
        architecture = paths.draw(generator)
        steps = [trainer(net, net.space.one_hot(architecture)), trainer(net.build(architecture))]
        ours, built = interleaved(steps, 3)
        singles.append(ours)
        alone.append(built)
        ratios.append(ours / built)
    return {
        "single_ms": statistics.median(singles),
        "built_ms": statistics.median(alone),
        "single/built": statistics.median(ratios),
    }


def eight_options_against_three(rounds: int, stem_stride: int) -> dict[str, float]:
    for number in range(8):
        if f"copy{number}" not in OPERATIONS:
            register_operation(f"copy{number}")(OPERATIONS["sep_conv_3x3"])
    nets = [network(tuple(f"copy{i}" for i in range(count)), stem_stride) for count in (8, 3)]
    steps = [trainer(net, net.space.one_hot(net.space.uniform("copy0"))) for net in nets]
    eight, three = interleaved(steps, rounds)
    return {"eight_ms": eight, "three_ms": three, "eight/three": eight / three}


def peak(kind: str, stem_stride: int) -> float:
    """Return the peak resident memory in MiB of a process that takes eight steps of `kind`, less torch itself."""
    command = [sys.executable, __file__, "--peak", kind, "--stem-stride", str(stem_stride)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(output)


def measure_peak(kind: str, stem_stride: int) -> None:
    net = network(OPERATIONS_5, stem_stride)
    largest = net.space.uniform("sep_conv_3x3")
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == "largest":
        step = trainer(net.build(largest))
        for _ in range(8):
            step()
    else:
        paths, generator = make_paths("shares", net.space), torch.Generator().manual_seed(3)
        for _ in range(7):
            trainer(net, net.space.one_hot(paths.draw(generator)))()
        trainer(net, net.space.one_hot(largest))()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--stem-stride", type=int, default=2)
    parser.add_argument("--peak", choices=["search", "largest"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if options.peak:
        measure_peak(options.peak, options.stem_stride)
        return
    search, largest = peak("search", options.stem_stride), peak("largest", options.stem_stride)
    result = {
        "threads": options.threads,
        "stem_stride": options.stem_stride,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        **soft_against_single(options.rounds, options.stem_stride),
        "built": single_against_built(options.rounds, options.stem_stride),
        **eight_options_against_three(options.rounds, options.stem_stride),
        "search_mib": search,
        "largest_mib": largest,
        "memory search/largest": search / largest,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
