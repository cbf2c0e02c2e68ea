"""Why the papers' plain setting falls to one operation, and which smallest change keeps its dial alive.

    python benchmarks/plain_setting.py fashion_mnist_3ops_papers --data FASHION_MNIST [--epochs 6] [--images 6000]
        [--seeds 0] [--only "plain;two_paths"]

Weights and dial are trained together, as in the recipe, with one thing changed at a time, on the same images and cost
table. After each epoch the operations on all edges are counted at the centre of the simplex and at each position that
penalises one kind by 0.70. A dial is alive where a kind that is penalised is used less than at the centre, and the
positions differ.

Before that, once the weights are warm, two figures for each kind: `signal`, the mean gradient of the loss with respect
to the weight of an option that was sampled, which is all that the straight-through estimator sees; and `effect`, how
much the loss of an architecture changes for each edge of this kind, by least squares over evaluated architectures.
Where the two order the kinds differently the estimator pulls the wrong way.

Prints one line of JSON a variant and seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.progress import NoBar
from archdial.cost.making.profiling import profile
from archdial.data import load, split
from archdial.dial import make_dial
from archdial.networks.cells.operations import register_operation
from archdial.runs.recipe import Recipe, load_recipe
from archdial.searching.candidates import at_positions
from archdial.searching.loop import Loop
from archdial.searching.paths import UniformPaths
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.joint import TrainJointly
from archdial.searching.steps.weights import task_loss
from archdial.training.step import Figures

BATCHES = 200
"""Over which the signal is averaged."""

NORMALISED = "max_pool_norm"

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "normalised pooling": {"operations": {"max_pool_3x3": NORMALISED}},
    "longer warm-up": {"warmup": 0.67},
    "entropy 1": {"entropy": 1.0},
    "balanced": {"dial": {"balanced": True}},
    "slow hypernetwork": {"hypernet_rate": 3e-4},
    "two_paths": {"relaxation": "two_paths"},
    "smoothing 0.3": {"smoothing": 0.3},
    "strength 0.3": {"dial": {"strength": 0.3}},
    "compared": {"gradient": "compared"},
    "compared, strength 0.3": {"gradient": "compared", "dial": {"strength": 0.3}},
    "compared, strength 1": {"gradient": "compared", "dial": {"strength": 1.0}},
    "compared, balanced": {"gradient": "compared", "dial": {"balanced": True}},
    "two_paths, strength 0.3": {"relaxation": "two_paths", "dial": {"strength": 0.3}},
    "reinmax": {"relaxation": "reinmax"},
    "gumbel_softmax": {"relaxation": "gumbel_softmax"},
}


@register_operation(NORMALISED)
def normalised_pooling(channels: int, stride: int) -> nn.Module:
    """Return max pooling with the normalisation that DARTS puts behind it: all but the identity then have one scale."""
    return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), nn.BatchNorm2d(channels, affine=False))


def counts(state: SearchState) -> list[list[int]]:
    """Return how many edges take each kind, at the centre and at each position that penalises one kind by 0.70."""
    space, positions = state.network.space, state.dial.grid(1 + len(state.network.space.kinds))
    chosen = at_positions(space, state.hypernet, state.dial, positions)
    return [list(space.counts(architecture).values()) for architecture in chosen]


@contextmanager
def watched(found: dict[str, Any]) -> Iterator[None]:
    """Note the counts after each epoch of joint training, and the signal before its first."""
    close, first = TrainJointly.close, TrainJointly.__call__

    def closing(step: TrainJointly, state: SearchState, progress: float) -> Figures:
        found["epochs"].append(counts(state))
        return close(step, state, progress)

    def begun(step: TrainJointly, state: SearchState, batch: Any, progress: float) -> Figures:
        if "signal" not in found:
            found["strength"] = getattr(state.dial, "strength", None)
            found["signal"], found["effect"] = signal(state), effect(state)
        return first(step, state, batch, progress)

    TrainJointly.close, TrainJointly.__call__ = closing, begun  # type: ignore[method-assign]
    try:
        yield
    finally:
        TrainJointly.close, TrainJointly.__call__ = close, first  # type: ignore[method-assign]


def signal(state: SearchState) -> dict[str, float]:
    """Return by kind the mean of ∂L/∂γ of sampled options, over uniform paths."""
    space, generator = state.network.space, torch.Generator().manual_seed(1)
    paths, sums = UniformPaths(space), torch.zeros(len(space.kinds))
    times = torch.zeros(len(space.kinds))
    batches = state.data.weights.shuffled(state.settings.batch_size, generator, 0)
    for _, batch in zip(range(BATCHES), batches, strict=False):
        weights = space.one_hot(paths.draw(generator)).requires_grad_()
        (slope,) = torch.autograd.grad(task_loss(state, batch, weights), weights)
        taken = weights.detach()
        sums += torch.einsum("mk,qmk->q", slope * taken, space.membership)
        times += torch.einsum("mk,qmk->q", taken, space.membership)
    return dict(zip(space.kinds, (sums / times).tolist(), strict=True))


def effect(state: SearchState) -> dict[str, float]:
    """Return by kind how much one more edge of it changes the loss, by least squares; their mean is 0."""
    space = state.network.space
    used = torch.tensor([list(space.counts(item.architecture).values()) for item in state.archive], dtype=torch.float64)
    losses = torch.tensor([item.loss for item in state.archive], dtype=torch.float64)
    # Counts sum to the number of edges, so slopes are found up to a constant: minimum norm.
    slopes = torch.linalg.lstsq(used - used.mean(0), (losses - losses.mean())[:, None], driver="gelsd").solution[:, 0]
    return dict(zip(space.kinds, (slopes - slopes.mean()).tolist(), strict=True))


def started(recipe: Recipe, options: argparse.Namespace, changes: dict[str, Any], seed: int) -> SearchState:
    """Return a search before its first step, with what `changes` of the recipe."""
    kinds = changes.get("operations", {})
    operations = [kinds.get(name, name) for name in recipe.network.operations]
    network = replace(recipe.network, operations=operations).make(options.images_of)
    warm = max(1, round(options.epochs * changes.get("warmup", options.warmup)))
    settings = {name: value for name, value in changes.items() if name not in ("dial", "warmup", "operations")}
    chosen = replace(
        recipe.search,
        epochs=options.epochs,
        warmup_epochs=warm,
        evaluations=40,
        sample=40,
        evaluation_images=500,
        **settings,
    )
    seen = split(options.images_of, weights=options.images, seed=seed)
    dial = make_dial({**recipe.dial, **changes.get("dial", {})})
    return begin(network, seen, profile(network), dial, chosen, seed)


def run(name: str, state: SearchState, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"variant": name, "seed": seed, "kinds": state.network.space.kinds, "epochs": []}
    started = time.perf_counter()
    with watched(found):
        Loop(state, None, NoBar()).run()
    last = torch.tensor(found["epochs"][-1])
    return {
        **found,
        "less_when_penalised": less(last),
        "distinct": len({tuple(row) for row in last.tolist()}),
        "seconds": round(time.perf_counter() - started),
    }


def less(last: Tensor) -> list[int]:
    """Return by kind how many edges fewer take it where it is penalised than at the centre."""
    return [int(last[0, kind] - last[1 + kind, kind]) for kind in range(last.shape[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--warmup", type=float, default=0.34, help="fraction of the epochs before the dial is trained")
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--only", default=";".join(VARIANTS))
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    options.images_of = load(options.data, channels=recipe.channels)
    for name in options.only.split(";"):
        if name not in VARIANTS:
            parser.error(f"no variant {name!r}: expected some of {', '.join(VARIANTS)}")
        for seed in map(int, options.seeds.split(",")):
            state = started(recipe, options, VARIANTS[name], seed)
            print(json.dumps(run(name, state, seed)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        raise SystemExit(str(error)) from None
