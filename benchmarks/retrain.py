"""Accuracy of members after retraining from scratch, within budgets of parameters in the cells.

    python benchmarks/retrain.py RUN [--budgets 5120,12320,38304,143488] [--epochs 20] [--seed 0]

For each budget the member is chosen on validation (`family.within` over the whole network's parameters, which is the
budget in cells plus what every member has), trained on the images for the weights, and tested once on the test split.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from archdial.common.progress import Bar
from archdial.comparing.measured import score
from archdial.runs.folder import read_run
from archdial.runs.images import load_data
from archdial.runs.opening import open_family
from archdial.training.plain_network import TrainSettings, restart, train

PUBLISHED = {5120: 0.792, 12320: 0.814, 38304: 0.825, 143488: 0.850}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--budgets", default=",".join(map(str, PUBLISHED)))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    family = open_family(options.run)
    data, seen = load_data(read_run(options.run), family=family)
    fixed = float(family.costs["parameters"].constant)
    for budget in map(int, options.budgets.split(",")):
        member = family.within(params=budget + fixed)
        module, start = restart(member.build(), options.seed), time.perf_counter()
        with Bar() as bar:
            settings = TrainSettings(epochs=options.epochs)
            train(module, seen.weights, family.normalize, settings, seed=options.seed, bar=bar)
        row = {
            "budget": budget,
            "cell_parameters": member.cell_parameters,
            "counts": family.space.counts(member.architecture),
            "inherited_validation": round(member.accuracy, 4),
            "test": round(score(module, data.test, family.task), 4),
            "published": PUBLISHED.get(budget),
            "seconds": round(time.perf_counter() - start),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
