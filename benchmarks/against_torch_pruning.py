"""Members of a run over gates against Torch-Pruning, on the same weights, at equal measured latency and fine-tuning.

    pip install "torch-pruning>=1.6,<2" --no-deps
    python benchmarks/against_torch_pruning.py RUN [--fractions 0.7,0.5,0.35] [--batches 1,64] [--epochs 5] [--seed 0]
        [--runtime onnxruntime]

Both begin with the whole network of the run as the run has it. Of archdial the member of best validation accuracy
within the fraction of the whole network's measured latency is taken from the front; of Torch-Pruning (groups by L2
norm, globally ranked) the least pruned network of a grid of ratios that is within it. Both are trained on for the same
epochs, taught by the whole network, and tested once.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import torch
import torch_pruning
from torch import nn

from archdial.comparing.measured import score
from archdial.cost.making.profiling import measure_many
from archdial.data import Images
from archdial.families.family import Family
from archdial.networks.example import shape_of
from archdial.runs.folder import read_run
from archdial.runs.images import load_data
from archdial.runs.opening import open_family
from archdial.training.plain_network import TrainSettings, train

RATIOS = [number / 40 for number in range(1, 39)]
Shape = tuple[int, ...]


def pruned(whole: nn.Module, shape: Shape, classes: int, ratio: float) -> nn.Module:
    """Return a copy of `whole` with `ratio` of its channels gone, all but the classifier's."""
    model, example = copy.deepcopy(whole), torch.zeros(1, *shape)
    head = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    torch_pruning.pruner.BasePruner(
        model, example, importance, global_pruning=True, pruning_ratio=ratio, ignored_layers=head
    ).step()
    return model


def milliseconds(modules: list[nn.Module], shape: Shape, batch: int, runtime: str) -> list[float]:
    """Return what a batch takes in each, in the same rounds, on one thread."""
    found = measure_many(
        [(module, shape) for module in modules], batch_size=batch, threads=1, repeats=12, runtime=runtime
    )
    return [timing.median_ms for timing in found]


def tuned(module: nn.Module, family: Family, images: Images, epochs: int, seed: int) -> nn.Module:
    """Return `module` trained on as both contenders are."""
    settings = TrainSettings.finetuning(epochs)
    return train(module, images, family.normalize, settings, seed=seed, teacher=family.network.untouched())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--fractions", default="0.7,0.5,0.35")
    parser.add_argument("--batches", default="1,64")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="onnxruntime")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    family = open_family(options.run)
    data, seen = load_data(read_run(options.run), family=family)
    shape, whole = shape_of(family.network.example), family.network.untouched()
    assert whole is not None, "the run has no whole network"
    members = family.front()
    ours = [family.network.build(member.architecture) for member in members]
    theirs = [pruned(whole, shape, len(family.classes), ratio) for ratio in RATIOS]
    for batch in map(int, options.batches.split(",")):
        full, *times = milliseconds([whole, *ours, *theirs], shape, batch, options.runtime)
        for fraction in map(float, options.fractions.split(",")):
            limit = fraction * full
            mine = [i for i in range(len(ours)) if times[i] <= limit]
            others = [i for i in range(len(theirs)) if times[len(ours) + i] <= limit]
            row: dict[str, object] = {"runtime": options.runtime, "batch": batch, "fraction": fraction}
            if mine:
                best = max(mine, key=lambda i: members[i].accuracy)
                module = tuned(members[best].build(), family, seen.weights, options.epochs, options.seed)
                row["archdial"] = round(score(module, data.test, family.task), 4)
                row["archdial_latency"] = round(times[best] / full, 3)
            if others:
                module = tuned(theirs[others[0]], family, seen.weights, options.epochs, options.seed)
                row["torch_pruning"] = round(score(module, data.test, family.task), 4)
                row["torch_pruning_latency"] = round(times[len(ours) + others[0]] / full, 3)
                row["torch_pruning_ratio"] = RATIOS[others[0]]
                # Training changed it: the next batch size begins with the pruned weights again.
                theirs[others[0]] = pruned(whole, shape, len(family.classes), RATIOS[others[0]])
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
