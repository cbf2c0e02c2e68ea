"""The front of a family against random and evolutionary search: same supernet, same images, equal evaluations.

    python benchmarks/front.py RUN [--evaluations 200] [--seed 0]

Hypervolume over (latency of the table, accuracy on validation), reference point (dearest network, 0), divided by the
area of the box, so that 1 is perfect accuracy at no time. The family's evaluations are those of its search.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from archdial.common.metrics import hypervolume
from archdial.common.progress import Bar
from archdial.comparing.measured import evaluator_of
from archdial.families.family import Family
from archdial.runs.folder import read_run
from archdial.runs.images import load_data
from archdial.runs.opening import open_family
from archdial.searching.candidates import front, mutated, unseen
from archdial.searching.evaluation import Evaluated, Evaluator
from archdial.searching.paths import make_paths


def random_search(family: Family, judge: Evaluator, count: int, seed: int, bar: Bar) -> list[Evaluated]:
    generator = torch.Generator().manual_seed(seed)
    paths, part = make_paths("shares", family.space), bar.part("random", count)
    chosen = unseen((paths.draw(generator) for _ in range(4 * count)), [])[:count]
    return [_told(judge(architecture), part) for architecture in chosen]


def evolution(family: Family, judge: Evaluator, count: int, seed: int, bar: Bar) -> list[Evaluated]:
    """Half of the budget at random, half as mutations of the front so far, 20 at a time."""
    result = random_search(family, judge, count // 2, seed + 1, bar)
    generator, part = torch.Generator().manual_seed(seed + 2), bar.part("evolution", count - count // 2)
    cost = family.costs[family.column]
    while len(result) < count:
        parents = [item.architecture for item in front(result, cost)]
        children = mutated(family.space, parents, 60, generator)
        fresh = unseen(children, (item.architecture for item in result))[: min(20, count - len(result))]
        result += [_told(judge(architecture), part) for architecture in fresh]
    return result


def _told(result: Evaluated, part: object) -> Evaluated:
    part.advance()  # type: ignore[attr-defined]
    return result


def figures(family: Family, evaluated: list[Evaluated]) -> dict[str, float]:
    cost = family.costs[family.column]
    costs = [cost.of(item.architecture) for item in evaluated]
    accuracies = [item.accuracy for item in evaluated]
    volume = hypervolume(costs, accuracies, reference_cost=cost.highest) / (cost.highest - cost.lowest)
    return {"evaluations": len(evaluated), "hypervolume": volume, "best_accuracy": max(accuracies)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run, family = read_run(options.run), open_family(options.run)
    _, data = load_data(run, family=family)
    judge = evaluator_of(family, data, run.recipe.search.evaluation_images)
    ours = list(family.archive)[: options.evaluations]
    with Bar() as bar:
        theirs = random_search(family, judge, options.evaluations, options.seed + 1000, bar)
        evolved = evolution(family, judge, options.evaluations, options.seed + 2000, bar)
    rows = {"family": ours, "random": theirs, "evolution": evolved}
    result = {name: figures(family, evaluated) for name, evaluated in rows.items()}
    best = max(row["best_accuracy"] for row in result.values())
    result["family"]["behind_best_points"] = 100 * (best - result["family"]["best_accuracy"])
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
