"""What a search step over widths costs against training the same member alone, and in memory: ratios from one run.

    python benchmarks/width_step.py [--members 12] [--rounds 5] [--threads 1] [--paths sandwich]

ResNet-18 at a quarter of its width with the choices of `resnet18_quarter_cifar10_widths`, batch 128, random images.
Each member is drawn as the search draws it: one step of the supernet that takes only what the member has, and one step
of the built member, in turn, both without a teacher. Memory is the peak of a process that takes such steps, less what
stood before, against that of one that takes as many steps of the untouched network: medians of processes in turn, as
where blocks fall differs by a fifth from one to the next.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from archdial.common.memory import keep_freed_memory
from archdial.networks.backbones import resnet18
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choosing import choices
from archdial.networks.layout import lay_out
from archdial.runs.recipe import load_recipe
from archdial.searching.paths import make_paths
from archdial.space import Architecture

BATCH = 128
RECIPE = "resnet18_quarter_cifar10_widths"
Step = Callable[[], object]


def network() -> GatedNetwork:
    torch.manual_seed(0)
    settings = load_recipe(RECIPE).network
    return choices(
        resnet18(16),
        torch.zeros(1, 3, 32, 32),
        width=settings.widths,  # type: ignore[union-attr]
        include=settings.include,  # type: ignore[union-attr]
        groups=settings.groups,  # type: ignore[union-attr]
    ).train()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (BATCH,), generator=generator)


def stepping(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Step:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    images, labels = batch()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(forward(images), labels).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()

    return step


def of_supernet(net: GatedNetwork, architecture: Architecture) -> Step:
    weights = net.space.one_hot(architecture)
    return stepping(net, lambda images: net(images, weights))


def of_member(net: GatedNetwork, architecture: Architecture) -> Step:
    module = net.build(architecture).train()
    lay_out(module)
    return stepping(module, module)


def seconds(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def pair(net: GatedNetwork, architecture: Architecture, rounds: int) -> tuple[float, float]:
    """Return the medians of a step of the supernet, and of the member alone, in turn."""
    steps = of_supernet(net, architecture), of_member(net, architecture)
    samples = [[seconds(step) for step in steps] for _ in range(rounds + 1)][1:]
    inside, alone = zip(*samples, strict=True)
    return statistics.median(inside), statistics.median(alone)


def peak(kind: str) -> float:
    """Return the peak resident memory in MiB of a process that takes steps of one kind, less what stood before."""
    command = [sys.executable, __file__, "--peak", kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def held() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def show_peak(kind: str) -> None:
    keep_freed_memory()
    net = network()
    drawn = list(drawn_paths(net, 6, "sandwich"))
    if kind == "whole":
        module = net.untouched().train()
        lay_out(module)
        steps = [stepping(module, module)] * (1 + len(drawn))
    else:
        steps = [of_supernet(net, net.whole), *(of_supernet(net, one) for one in drawn)]
    before = held()
    for step in steps:
        step()
    print((held() - before) / 1024)


def drawn_paths(net: GatedNetwork, count: int, name: str) -> list[Architecture]:
    paths, generator = make_paths(name, net.space), torch.Generator().manual_seed(0)
    return [paths.draw(generator) for _ in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--paths", default="sandwich")
    parser.add_argument("--peak", choices=["whole", "search"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        show_peak(options.peak)
        return
    net = network()
    found = [pair(net, one, options.rounds) for one in drawn_paths(net, options.members, options.paths)]
    inside, alone = (sum(column) for column in zip(*found, strict=True))
    peaks = [{kind: peak(kind) for kind in ("whole", "search")} for _ in range(options.rounds)]
    memory = {kind: statistics.median(one[kind] for one in peaks) for kind in ("whole", "search")}
    row = {
        "members": options.members,
        "step_over_member": inside / alone,
        "each": [round(a / b, 3) for a, b in found],
        "memory_mib": memory,
        "memory_each": [round(one["search"] / one["whole"], 3) for one in peaks],
        "memory_over_whole": memory["search"] / memory["whole"],
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
