"""What ranks NAS-Bench-201's architectures, judged by its tabulated truth: each view alone, and what they agree on.

    python benchmarks/proxies.py DEVICES.csv.gz CIFAR10 [--count 150] [--uniform] [--steps 0] [--seed 0]
        [--proxies synflow,naswot,jacob_cov]

Architectures are drawn as a search draws its first sample, or with `--uniform` each option alone. Of the supernet there
is either a stand-in, the truth with so much noise that Kendall τ is 0.36, as of a supernet of 18 epochs: **a
simulation**, kinder than a supernet, as its errors have nothing in common with anything. Or with `--steps` a supernet
that was trained so long, each step on 64 images. Accuracies are read to judge, and for the stand-in.

Prints one line of JSON a view: its τ with the truth, what it is trusted (λ), and the seconds that it takes one thread
for an architecture. Then one line: τ of all ranks added, of what the views agree on, and of the predictor, fitted to
what was measured alone and to what all views speak for; on the sample, and on 1,000 other architectures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import torch

from archdial import Scalar, SearchSettings
from archdial.common.metrics import kendall_tau
from archdial.data import load, split
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.searching.agreement import Agreement, Scale
from archdial.searching.evaluation import Evaluated
from archdial.searching.paths import UniformPaths
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.proxies import PROXIES, Proxy, Untrained
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.evaluate import Sample
from archdial.searching.steps.weights import TrainWeights
from archdial.searching.views import EVALUATION
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from archdial.training.loop import fold
from nas_bench_201_tables import Array, Truth, any_table, chosen, read

SUPERNET_TAU = 0.36
OTHERS = 1000
SECONDS: dict[str, float] = {}


class Timed(Proxy):
    """A proxy, and how long it takes."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy, self.least, self.regards, self.name = proxy, proxy.least, proxy.regards, proxy.name

    def score(self, network: Untrained) -> float:
        began = time.thread_time()
        value = self.proxy.score(network)
        SECONDS[self.name] = SECONDS.get(self.name, 0.0) + time.thread_time() - began
        return value


def stand_in(accuracy: Array, seed: int) -> Array:
    """Return noisy normal scores of `accuracy` (n,) with τ as near 0.36 as some hundred strengths of noise come."""
    ranks, noise = Scale.normal(accuracy)(accuracy), numpy.random.default_rng(seed).normal(size=len(accuracy))
    found = [ranks + strength * noise for strength in numpy.linspace(0.5, 4, 100)]
    return min(found, key=lambda one: abs(kendall_tau(one, accuracy) - SUPERNET_TAU))


def scored(state: SearchState, sample: list[Architecture], accuracy: Array, options: argparse.Namespace) -> list[float]:
    """Return what the supernet, or what stands in for it, says of the sample, from 0 to 1."""
    if not options.steps:
        return (1 / (1 + numpy.exp(-stand_in(accuracy, options.seed)))).tolist()
    step = TrainWeights(state)
    done = 0
    while done < options.steps:
        for batch in step.batches(state, fold(options.seed, done), 0):
            step(state, batch, done / options.steps)
            done += 1
            if done == options.steps:
                break
    return [state.evaluator(architecture).score for architecture in sample]


def report(state: SearchState, sample: list[Architecture], truth: Truth, options: argparse.Namespace) -> Iterator[dict]:
    assert state.views is not None
    accuracy = truth.accuracy[[truth.index[architecture] for architecture in sample]]
    scores = scored(state, sample, accuracy, options)
    began = time.thread_time()
    rows = numpy.array([state.views.look(architecture, *state.shown, state.task) for architecture in sample])
    each = (time.thread_time() - began) / len(sample)
    values = numpy.column_stack((scores, rows))
    names, groups = ("supernet", *state.views.names), (EVALUATION, *state.views.groups)
    agreement = Agreement.among(values, groups)
    trusted = dict(zip(dict.fromkeys(groups), agreement.loadings.tolist(), strict=True))
    for name, group, column in zip(names, groups, values.T, strict=True):
        tau, seconds = kendall_tau(column, accuracy), SECONDS.get(name, 0.0) / len(sample)
        yield {"view": name, "tau": tau, "counts_as": group, "trust": trusted[group], "seconds": seconds}
    evaluated = [Evaluated(a, score, 0.0, ACCURACY) for a, score in zip(sample, scores, strict=True)]
    judged = state.views.judged(evaluated, len(sample))
    yield {
        "supernet": f"{options.steps} steps" if options.steps else "simulated",
        "architectures": len(sample),
        "drawn": "uniform" if options.uniform else "as a search's sample",
        "seconds_each": each,
        "tau_ranks_added": kendall_tau(sum(Scale.normal(column)(column) for column in values.T), accuracy),
        "tau_agreement": kendall_tau([item.believed for item in judged], accuracy),
        "tau_predictor_of_measured": predicted(state, evaluated, truth, sample),
        "tau_predictor_of_judged": predicted(state, judged, truth, sample),
    }


def predicted(state: SearchState, seen: list[Evaluated], truth: Truth, sample: list[Architecture]) -> dict[str, float]:
    """Return τ of a predictor fitted to what was `seen`, on the sample and on other architectures."""
    torch.manual_seed(0)
    predictor = ErrorPredictor(state.network.space)
    predictor.fit(seen, fold(0))
    others = [a for a in chosen(truth, OTHERS + len(sample), 1) if a not in set(sample)][:OTHERS]
    found = {}
    for name, architectures in (("sample", sample), ("others", others)):
        with torch.no_grad():
            errors = predictor(state.network.space.one_hots(architectures))
        found[name] = kendall_tau(-errors, truth.accuracy[[truth.index[a] for a in architectures]])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("devices", type=Path)
    parser.add_argument("images")
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--uniform", action="store_true")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proxies", type=lambda text: tuple(text.split(",")), default=tuple(PROXIES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    PROXIES.update({name: Timed(proxy) for name, proxy in PROXIES.items()})
    network = NasBench201(Plan(cells=2))
    truth = read(options.devices, network.space)
    data = split(load(options.images, channels=3), weights=0.8, seed=options.seed)
    settings = SearchSettings(
        paths="uniform",
        evaluations=options.count,
        sample=options.count,
        evaluation_images=1000,
        proxies=options.proxies,
    )
    state = begin(network, data, any_table(network.space, truth), Scalar(), settings, options.seed)
    if options.uniform:
        paths = UniformPaths(network.space)
        sample = list(dict.fromkeys(paths.draw(state.generator) for _ in range(2 * options.count)))[: options.count]
    else:
        sample = Sample(errors=True).propose(state)
    for line in report(state, sample, truth, options):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
