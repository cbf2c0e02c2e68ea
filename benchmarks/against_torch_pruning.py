"""Members of a run against Torch-Pruning, on the same weights, at equal measured latency and equal epochs of training.

    pip install "torch-pruning>=1.6,<2" --no-deps
    python benchmarks/against_torch_pruning.py RUN [--fractions 0.7,0.5,0.35,0.25] [--batches 1,64] [--epochs 5]
        [--shares each,total] [--targets 5] [--criteria magnitude,taylor,bn] [--trial 2] [--seed 0]
        [--runtime onnxruntime]

Both begin with the whole network of the run as the run has it. Of archdial the member of best validation accuracy
within the fraction of the whole network's measured latency is taken from the front, and trained on for `--epochs`. Of
Torch-Pruning each criterion prunes at once to the least ratio that is within the fraction, and is trained for `--trial`
epochs, which nobody counts; the best of them on validation then prunes in five steps, with training between them and
after. With `each` it gets for every target as many epochs as archdial's whole search and the training of that member
took together; with `total` so many that `--targets` of them get as many as archdial's search and all its members. Both
are taught by the whole network and tested once.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch_pruning
from torch import nn
from torch.nn import functional

from archdial.comparing.measured import score
from archdial.cost.making.profiling import measure_many
from archdial.data import Images
from archdial.families.family import Family
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork
from archdial.runs.folder import read_run
from archdial.runs.images import load_data
from archdial.runs.opening import open_family
from archdial.training.plain_network import TrainSettings, train

RATIOS = [number / 40 for number in range(1, 40)]
STEPS = 5
Shape = tuple[int, ...]

CRITERIA: dict[str, Callable[[], Any]] = {
    "magnitude": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=2),
    "taylor": lambda: torch_pruning.importance.GroupTaylorImportance(),
    "bn": lambda: torch_pruning.importance.BNScaleImportance(),
}


@dataclass
class Contest:
    """What both contenders are given."""

    family: Family
    train: Images
    validation: Images
    seed: int

    def tuned(self, module: nn.Module, epochs: int) -> nn.Module:
        """Return `module` trained on as both are."""
        network = self.family.network
        assert isinstance(network, GatedNetwork)
        settings = TrainSettings.finetuning(epochs)
        return train(module, self.train, self.family.task, settings, seed=self.seed, teacher=network.untouched())


def pruner_of(model: nn.Module, contest: Contest, criterion: str, ratio: float, steps: int) -> Any:
    shape, classes = shape_of(contest.family.network.example), len(contest.family.classes)
    head = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
    return torch_pruning.pruner.BasePruner(
        model,
        torch.zeros(1, *shape),
        CRITERIA[criterion](),
        global_pruning=True,
        pruning_ratio=ratio,
        iterative_steps=steps,
        ignored_layers=head,
    )


def step(pruner: Any, model: nn.Module, contest: Contest, criterion: str) -> None:
    """Prune one step; Taylor reads the gradients of some training images."""
    if criterion == "taylor":
        model.zero_grad()
        inputs, batch = contest.family.task.inputs, next(contest.train.in_order(256, 256))
        outputs = model.eval()(inputs(batch, torch.device("cpu")))
        functional.cross_entropy(outputs, contest.family.task.target(batch)).backward()
    pruner.step()
    model.zero_grad()


def at_once(whole: nn.Module, contest: Contest, criterion: str, ratio: float) -> nn.Module:
    model = copy.deepcopy(whole)
    step(pruner_of(model, contest, criterion, ratio, 1), model, contest, criterion)
    return model


def in_steps(whole: nn.Module, contest: Contest, criterion: str, ratio: float, epochs: int) -> nn.Module:
    """Return `whole` pruned in five steps, half of the epochs between them and half at the end."""
    model = copy.deepcopy(whole)
    pruner = pruner_of(model, contest, criterion, ratio, STEPS)
    between = max(1, epochs // 2 // (STEPS - 1))
    for number in range(STEPS):
        step(pruner, model, contest, criterion)
        if number < STEPS - 1:
            # Training copies nothing: the pruner goes on with the model that it knows.
            model.load_state_dict(contest.tuned(copy.deepcopy(model), between).state_dict())
    return contest.tuned(model, max(1, epochs - between * (STEPS - 1)))


def milliseconds(modules: list[nn.Module], shape: Shape, batch: int, runtime: str) -> list[float]:
    """Return what a batch takes in each, in the same rounds, on one thread."""
    subjects = [(module, shape) for module in modules]
    found = measure_many(subjects, batch_size=batch, threads=1, repeats=12, runtime=runtime)
    return [timing.median_ms for timing in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--fractions", default="0.7,0.5,0.35,0.25")
    parser.add_argument("--batches", default="1,64")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--shares", default="each,total")
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--criteria", default="magnitude,taylor,bn")
    parser.add_argument("--trial", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="onnxruntime")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    family, run = open_family(options.run), read_run(options.run)
    data, seen = load_data(run, family=family)
    contest = Contest(family, seen.weights, seen.validation, options.seed)
    shape, network = shape_of(family.network.example), family.network
    assert isinstance(network, GatedNetwork), "the run has no whole network"
    whole, members = network.untouched(), family.front()
    fractions, criteria = [float(f) for f in options.fractions.split(",")], options.criteria.split(",")
    searched = int(family.info["config"]["search"]["epochs"])
    divided = {"each": 1, "total": options.targets}
    shares = {share: searched // divided[share] + options.epochs for share in options.shares.split(",")}
    pruned = {(c, ratio): at_once(whole, contest, c, ratio) for c in criteria for ratio in RATIOS}
    for batch in map(int, options.batches.split(",")):
        timed = [whole, *(member.timed() for member in members), *pruned.values()]
        full, *times = milliseconds(timed, shape, batch, options.runtime)
        ours, theirs = times[: len(members)], dict(zip(pruned, times[len(members) :], strict=True))
        for fraction in fractions:
            row: dict[str, Any] = {"runtime": options.runtime, "batch": batch, "fraction": fraction, "epochs": shares}
            within = [(member, ms) for member, ms in zip(members, ours, strict=True) if ms <= fraction * full]
            if within:
                member, ms = max(within, key=lambda pair: pair[0].accuracy)
                module = contest.tuned(member.build(merge=False), options.epochs)
                row["archdial"], row["archdial_latency"] = score(module, data.test, family.task), ms / full
            trials: dict[tuple[str, float], float] = {}
            for criterion in criteria:
                fitting = [ratio for ratio in RATIOS if theirs[criterion, ratio] <= fraction * full]
                if fitting:
                    trial = contest.tuned(copy.deepcopy(pruned[criterion, fitting[0]]), options.trial)
                    trials[criterion, fitting[0]] = score(trial, contest.validation, family.task)
            if trials:
                criterion, ratio = max(trials, key=lambda key: trials[key])
                row |= {"criterion": criterion, "ratio": ratio, "trials": {key[0]: v for key, v in trials.items()}}
                for share, epochs in shares.items():
                    module = in_steps(whole, contest, criterion, ratio, epochs)
                    ms, again = milliseconds([module, whole], shape, batch, options.runtime)
                    row[share] = {"accuracy": score(module, data.test, family.task), "latency": ms / again}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
