"""How much faster architectures are evaluated side by side, each on a copy of the network, than one after the other.

    python benchmarks/side_by_side.py FASHION_MNIST [--recipe fashion_mnist_5ops] [--count 12] [--repeats 3]
        [--threads 2] [--seed 0]

The network of a recipe with its weights as drawn, and architectures drawn uniformly, on as many images as the recipe
says. Both ways have the same number of threads and take turns; the ratio is of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from archdial.data import Normalize, load, split
from archdial.networks.layout import layout
from archdial.runs.recipe import load_recipe
from archdial.searching.evaluation import EVALUATED, Evaluated, Evaluator, Examples
from archdial.searching.paths import make_paths
from archdial.searching.side_by_side import in_parallel
from archdial.space import Architecture
from archdial.tasks.images import ImageClassification

CPU = torch.device("cpu")


def evaluator_of(recipe_name: str, folder: Path, seed: int) -> Evaluator:
    """Return what evaluates architectures of a recipe's network with new weights."""
    torch.manual_seed(seed)
    recipe = load_recipe(recipe_name)
    data = load(folder, channels=recipe.channels)
    seen = split(data, weights=recipe.weights, seed=seed)
    task = ImageClassification(Normalize(seen.mean, seen.std), len(seen.classes))
    images, validation = recipe.search.calibration_images, recipe.search.evaluation_images
    calibration = [task.inputs(batch, CPU) for batch in seen.weights.in_order(EVALUATED, images)]
    examples = Examples(
        lambda: seen.validation.in_order(EVALUATED, validation), lambda batch: task.inputs(batch, CPU), task.prepared
    )
    network = recipe.network.make(data)
    network.to(memory_format=layout(network))
    return Evaluator(network, calibration, examples, task)


def alone(evaluator: Evaluator, architectures: Sequence[Architecture]) -> list[Evaluated]:
    return [evaluator(one) for one in architectures]


def together(evaluator: Evaluator, architectures: Sequence[Architecture]) -> list[Evaluated]:
    with in_parallel(evaluator, architectures) as judge:
        return [judge(one) for one in architectures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="fashion_mnist_5ops")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    evaluator = evaluator_of(options.recipe, options.data, options.seed)
    paths, generator = make_paths("uniform", evaluator.network.space), torch.Generator().manual_seed(options.seed)
    architectures = [paths.draw(generator) for _ in range(options.count)]
    took: dict[str, list[float]] = defaultdict(list)
    found: dict[str, list[Evaluated]] = {}
    for _ in range(options.repeats):
        for way in (alone, together):
            started = time.perf_counter()
            found[way.__name__] = way(evaluator, architectures)
            took[way.__name__].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in took.items()}
    pairs = zip(found["alone"], found["together"], strict=True)
    figures = {
        "ratio": round(medians["together"] / medians["alone"], 3),
        "seconds an architecture": {name: round(median / options.count, 3) for name, median in medians.items()},
        "apart in loss, at most": max(abs(one.loss - other.loss) for one, other in pairs),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
