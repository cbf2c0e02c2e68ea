"""Which way to train a supernet ranks best, judged by NAS-Bench-201's tabulated truth: one thing changed at a time.

    python benchmarks/supernets.py DEVICES.csv.gz CIFAR10 [--passes 6] [--count 150] [--seed 0]
        [--only uniform,averaged]

- `uniform`: one uniform path a step (single-path one-shot, Guo et al. 2020), as the recipe does.
- `shares`: the fractions of the operations are drawn first, so that architectures of one operation are trained too.
- `fair`: five paths on each batch, in which each option of each edge occurs once (FairNAS, Chu et al. 2021).
- `sandwich`: the largest path and a uniform one on each batch, the latter also from the former's softened outputs
  (BigNAS, Yu et al. 2020); the smallest of this space has no operation at all, and is left out.
- `largest`: the same without distillation.
- `averaged`: `uniform`, and the mean of its weights after each of the last third of the steps (Izmailov et al. 2018).

All take as many passes of a batch through a path, so `fair` takes a fifth of the steps. Accuracies are read when all
is trained, to judge: Kendall τ between supernet accuracy on 1,000 validation images and true accuracy of `--count`
architectures drawn as a search draws its first sample, and of those in the better half by truth. One line of JSON each.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from archdial import Scalar, SearchSettings
from archdial.common.metrics import kendall_tau
from archdial.data import load, split
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.searching.paths import make_paths
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.evaluate import Sample
from archdial.searching.steps.weights import TrainWeights, descend, set_rate
from archdial.space import Architecture
from archdial.training.loop import fold
from nas_bench_201_tables import Truth, any_table, read

SOFTENED = 2.0
"""Temperature of the outputs that a path learns from the largest one."""


class Regime(ABC):
    """A way to train; `passes` of a batch through a path make a step."""

    passes = 1

    def __init__(self, state: SearchState) -> None:
        self.state, self.space = state, state.network.space
        self.paths = make_paths("uniform", self.space)

    @abstractmethod
    def step(self, inputs: Tensor, batch: Any, progress: float) -> None:
        """Take a step on a batch."""

    def finish(self) -> None:
        """Put the weights that are to be judged into the network: those of the last step are there."""
        return

    def outputs(self, inputs: Tensor, path: Architecture) -> Tensor:
        found: Tensor = self.state.forward(inputs, self.space.one_hot(path))
        return found

    def loss(self, inputs: Tensor, batch: Any, path: Architecture) -> Tensor:
        return self.state.objective(inputs, self.outputs(inputs, path), batch)


class Uniform(Regime):
    """One uniform path."""

    def step(self, inputs: Tensor, batch: Any, progress: float) -> None:
        descend(self.state, self.loss(inputs, batch, self.paths.draw(self.state.generator)))


class Shares(Uniform):
    """One path whose operations have fractions that are drawn first."""

    def __init__(self, state: SearchState) -> None:
        super().__init__(state)
        self.paths = make_paths("shares", self.space)


class Averaged(Uniform):
    """The mean starts when the cosine has fallen to a quarter of the rate."""

    mean: AveragedModel | None = None

    def step(self, inputs: Tensor, batch: Any, progress: float) -> None:
        super().step(inputs, batch, progress)
        if progress >= 2 / 3:
            self.mean = self.mean or AveragedModel(self.state.network)
            self.mean.update_parameters(self.state.network)

    def finish(self) -> None:
        assert self.mean is not None
        self.state.network.load_state_dict(self.mean.module.state_dict())


class Fair(Regime):
    """Five paths, in which each option of each edge occurs once."""

    passes = 5

    def step(self, inputs: Tensor, batch: Any, progress: float) -> None:
        orders = [torch.randperm(len(one.options), generator=self.state.generator) for one in self.space.choices]
        paths = [Architecture(tuple(row)) for row in torch.stack(orders, 1).tolist()]
        losses = [self.loss(inputs, batch, path) for path in paths]
        descend(self.state, sum(losses[1:], losses[0]) / len(losses))


class Largest(Regime):
    """The largest path and a uniform one."""

    passes = 2
    distilled = False

    def step(self, inputs: Tensor, batch: Any, progress: float) -> None:
        largest = self.space.uniform("nor_conv_3x3")
        taught = self.outputs(inputs, largest)
        found = self.outputs(inputs, self.paths.draw(self.state.generator))
        first, second = (self.state.objective(inputs, one, batch) for one in (taught, found))
        if self.distilled:
            goal = torch.softmax(taught.detach() / SOFTENED, -1)
            second = (second + SOFTENED**2 * functional.cross_entropy(found / SOFTENED, goal)) / 2
        descend(self.state, (first + second) / 2)


class Sandwich(Largest):
    """The same, and what the largest returns is taught to the other."""

    distilled = True


REGIMES: dict[str, type[Regime]] = {
    "uniform": Uniform,
    "shares": Shares,
    "fair": Fair,
    "largest": Largest,
    "sandwich": Sandwich,
    "averaged": Averaged,
}


def train(regime: Regime, state: SearchState, passes: int, seed: int) -> None:
    """Train for as many steps as make `passes` over the images for the weights."""
    weights = TrainWeights(state)
    every = math.ceil(passes * weights.count(state) / regime.passes)
    done = 0
    while done < every:
        for batch in weights.batches(state, fold(seed, done), 0):
            state.network.train()
            set_rate(state, done / every)
            regime.step(state.inputs(batch, training=True), batch, done / every)
            done += 1
            if done == every:
                break
    regime.finish()


def judged(state: SearchState, sample: list[Architecture], truth: Truth) -> dict[str, Any]:
    """Return τ over the sample and over its better half by truth, and the best by the supernet."""
    true = torch.tensor([truth.accuracy[truth.index[one]] for one in sample])
    found = torch.tensor([state.evaluator(one).score for one in sample])
    better = true >= true.median()
    return {
        "tau": kendall_tau(found, true),
        "tau_better_half": kendall_tau(found[better], true[better]),
        "best": float(found.max()),
        "truth_of_best": float(true[found.argmax()]),
        "best_of_truth": float(true.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("devices", type=Path)
    parser.add_argument("images")
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(REGIMES))
    options = parser.parse_args()
    if unknown := set(options.only) - set(REGIMES):
        parser.error(f"--only {', '.join(sorted(unknown))}: expected some of {', '.join(REGIMES)}")
    torch.set_num_threads(1)
    data = split(load(options.images, channels=3), weights=0.8, seed=options.seed)
    space = NasBench201(Plan(cells=2)).space
    truth = read(options.devices, space)
    table = any_table(space, truth)
    settings = SearchSettings(evaluations=options.count, sample=options.count, evaluation_images=1000)
    for name in options.only:
        torch.manual_seed(options.seed)
        state = begin(NasBench201(Plan(cells=2)), data, table, Scalar(), settings, options.seed)
        sample = Sample(errors=True).propose(state)
        began = time.perf_counter()
        train(REGIMES[name](state), state, options.passes, options.seed)
        seconds = round(time.perf_counter() - began)
        row = {"regime": name, "passes": options.passes, "seed": options.seed, "seconds": seconds}
        print(json.dumps({**row, **judged(state, sample, truth)}), flush=True)


if __name__ == "__main__":
    main()
