"""One part of the search changed at a time: methods, relaxations, hypernetworks, objectives, by one command.

    python benchmarks/ablation.py benchmarks/fashion_mnist_3ops_small.yaml --data FASHION_MNIST [--images 1000]
    python benchmarks/ablation.py RECIPE --data FOLDER [--epochs N] [--images N] [--seeds 0,1,2] [--only NAME,NAME]

Each variant runs through the same loop on the same images and cost table. Those that train no weights of their own (the
`predictor` and `two_stage` methods) take the weights of the recipe's own search of that seed, so that they differ in
nothing else. Prints one line of JSON a variant and seed: hypervolume of the members along the dial and of the front, by
the table's latency and accuracy on test images with inherited weights, reference point the dearest network and accuracy
0, as a share of that box; and seconds. At the end, on standard error, a table of their means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from archdial.common.metrics import hypervolume
from archdial.common.progress import Bar
from archdial.comparing.measured import evaluator_on
from archdial.cost.making.profiling import profile
from archdial.cost.table.table import CostTable
from archdial.data import DataSet, Images, load, split
from archdial.dial import make_dial
from archdial.families.family import Family
from archdial.families.searched import search
from archdial.hypernet import HYPERNETS
from archdial.relaxation import RELAXATIONS
from archdial.runs.recipe import Recipe, load_recipe
from archdial.searching.evaluation import Evaluator
from archdial.space import Architecture

POSITIONS = 24
OWN = "as the recipe"

METHODS: dict[str, dict[str, Any]] = {
    "two_stage": {"method": "two_stage"},
    "single_level": {"method": "single_level"},
    "single_level + smoothing": {"method": "single_level", "smoothing": 0.3},
    "bilevel": {"method": "bilevel"},
    "bilevel + second order": {"method": "bilevel", "second_order": True},
}
RELAXED = {
    f"{method} + {name}": {"method": method, "relaxation": name}
    for method in ("predictor", "two_stage")
    for name in RELAXATIONS
}
HYPER = {f"hypernetwork {name}": {"hypernet": {"kind": name}} for name in HYPERNETS}
DIALS = {f"dial {kind}": {"dial": {"kind": kind}} for kind in ("budget", "constraint", "power", "log_power")}
VARIANTS: dict[str, dict[str, Any]] = {**METHODS, **RELAXED, **HYPER, **DIALS}


def searched(
    recipe: Recipe,
    data: DataSet,
    table: CostTable,
    changes: dict[str, Any],
    seed: int,
    weights: Family | None,
    bar: Bar,
) -> Family:
    """Return the family of `recipe` with `changes` of its search, or of its dial."""
    settings = {name: value for name, value in changes.items() if name != "dial"}
    chosen = replace(recipe.search, **settings)
    frozen = weights if chosen.method in ("predictor", "two_stage") else None
    seen = split(data, weights=recipe.weights, seed=seed, limit=recipe.limit)
    dial = make_dial(changes.get("dial", recipe.dial))
    network = recipe.network.make(data)
    return search(network, seen, table, dial, chosen, seed=seed, weights_from=frozen, bar=bar)


def volume(family: Family, evaluator: Evaluator, architectures: Sequence[Architecture]) -> float:
    cost = family.costs[family.column]
    found = [evaluator(architecture) for architecture in dict.fromkeys(architectures)]
    costs = [cost.of(item.architecture) for item in found]
    box = cost.highest - cost.lowest
    return hypervolume(costs, [item.accuracy for item in found], reference_cost=cost.highest) / box


def row(name: str, seed: int, family: Family, test: Images, seconds: float) -> dict[str, Any]:
    evaluator = evaluator_on(family, test, len(test))
    along = [member.architecture for member in family.along(POSITIONS)]
    return {
        "variant": name,
        "seed": seed,
        "dial": volume(family, evaluator, along),
        "front": volume(family, evaluator, [member.architecture for member in family.front()]),
        "distinct": len(set(along)),
        "evaluations": len(family.archive),
        "seconds": round(seconds, 1),
    }


def means(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=f"means over {len({row['seed'] for row in rows})} seeds")
    figures = ("dial", "front", "distinct", "evaluations", "seconds")
    for heading in ("variant", *figures):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for name in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == name]
        table.add_row(name, *(f"{sum(row[figure] for row in mine) / len(mine):.4g}" for figure in figures))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--images", type=int, default=2000, help="test images to judge members on")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--only", type=lambda text: text.split(","))
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(VARIANTS):
        parser.error(f"no variant {', '.join(sorted(unknown))}: expected some of {', '.join(VARIANTS)}")
    recipe = load_recipe(options.recipe).changed(data=options.data, epochs=options.epochs)
    data = load(recipe.data, channels=recipe.channels)
    test = data.test.first(options.images)
    rows: list[dict[str, Any]] = []
    chosen = {name: VARIANTS[name] for name in options.only or VARIANTS}
    with Bar() as bar:
        table = profile(recipe.network.make(data), progress=bar.part("profile", 1).upto)
        for seed in map(int, options.seeds.split(",")):
            weights: Family | None = None
            for name, changes in {OWN: {}, **chosen}.items():
                began = time.perf_counter()
                family = searched(recipe, data, table, changes, seed, weights, bar)
                weights = weights or family
                rows.append(row(name, seed, family, test, time.perf_counter() - began))
                print(json.dumps(rows[-1]), flush=True)
    Console(stderr=True).print(means(rows))


if __name__ == "__main__":
    main()
