"""What archdial's loop adds to a loop of one's own over the same loader, and whether memory grows with the data.

    python benchmarks/own_data.py [--rounds 5]

1. seconds of an epoch by `member.finetune`'s loop : by a plain loop with the same model, loader, optimizer and clipping
2. the same for a search's step on one path of gates that keep everything : the plain loop
3. peak memory of a search on a data set of 20 GB that is made as it is read : on one of 0.2 GB
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import archdial as ad
from archdial.data import seen_of
from archdial.networks.graph import GatedNetwork
from archdial.searching.state import begin
from archdial.searching.steps.weights import TrainWeights
from archdial.training.loop import fold
from archdial.training.plain_network import train

SIDE, CLASSES = 24, 10


class Made(Dataset[Any]):
    """Images of floating point that are made when they are read, of so many bytes in all."""

    def __init__(self, total: float) -> None:
        self.count = int(total / (4 * 3 * SIDE * SIDE))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3, SIDE, SIDE), index % 7 / 7), index % CLASSES


class Small(nn.Sequential):
    """A residual network without downsampling."""

    def __init__(self, channels: int = 32) -> None:
        blocks = (Added(nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels), nn.ReLU()) for _ in range(4))
        ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)
        super().__init__(nn.Conv2d(3, channels, 3, 1, 1), *blocks, *ends)


class Added(nn.Sequential):
    """A branch beside the identity."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + super().forward(inputs)


def loader() -> DataLoader[Any]:
    images = torch.randn(1600, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(images, torch.arange(1600) % CLASSES), 32, shuffle=True)


def model() -> nn.Module:
    torch.manual_seed(0)
    return Small().to(memory_format=torch.channels_last)


def plain(batches: DataLoader[Any]) -> None:
    """An epoch as one writes it oneself."""
    module = model().train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    for images, labels in batches:
        optimizer.zero_grad()
        found = module(images.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.cross_entropy(found, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        float(loss.detach())


def searching(batches: DataLoader[Any]) -> Callable[[], None]:
    """Return an epoch of a search's step for the weights, under the whole network's path."""
    net = ad.gates(model(), torch.randn(2, 3, SIDE, SIDE))
    seen = seen_of({"train": batches, "validation": batches})
    settings = ad.SearchSettings(regime="tuned", paths="kept", distillation=0.0)
    table = ad.profile(net, repeats=2, networks=0)
    state = begin(net, seen, table, ad.Scalar(), settings, 0, task=ad.Classification())
    step = TrainWeights(state)
    step.draw = lambda state: net.whole  # type: ignore[method-assign]

    def epoch() -> None:
        for number, batch in enumerate(step.batches(state, fold(0, 0), 0)):
            step(state, batch, number / 50)

    return epoch


def ratios(rounds: int) -> None:
    batches = loader()
    settings = ad.TrainSettings(epochs=1, batch_size=32, label_smoothing=0)
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(batches),
        "finetune": lambda: train(model(), batches, ad.Classification(), settings),
        "search": searching(batches),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, epoch in ways.items():
            began = time.perf_counter()
            epoch()
            if number:
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"plain {medians['plain']:.2f} s an epoch of 50 steps")
    print(f"finetune : plain {medians['finetune'] / medians['plain']:.3f}")
    print(f"search : plain {medians['search'] / medians['plain']:.3f}")


def peak(gigabytes: float) -> float:
    """Return the peak resident memory in MiB of a search on so many gigabytes, in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(gigabytes)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def search(gigabytes: float) -> None:
    net: GatedNetwork = ad.gates(model(), torch.randn(2, 3, SIDE, SIDE))
    table = ad.profile(net, repeats=2, networks=0)
    data = {"train": Made(gigabytes * 2**30), "validation": Made(gigabytes * 2**30)}
    settings = ad.SearchSettings(evaluations=12, sample=8, rounds=1, dial_steps=20, evaluation_images=200)
    ad.search(net, data, table, settings=settings, task=ad.Classification())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", type=float)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if options.peak:
        search(options.peak)
        return
    ratios(options.rounds)
    small, large = peak(0.2), peak(20.0)
    print(f"memory of 20 GB {large:.0f} MiB, of 0.2 GB {small:.0f} MiB: {large / small:.3f}")


if __name__ == "__main__":
    main()
