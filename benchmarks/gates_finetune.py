"""Members at fractions of the measured latency, before and after fine-tuning with the whole network as their teacher.

    python benchmarks/gates_finetune.py RUN [--fractions 0.5,0.333] [--batches 1,64] [--epochs 5] [--seed 0]
        [--runtimes eager,onnxruntime]

For each runtime and batch size the members on the run's front are built and measured; of those within the fraction of
the whole network's latency the most accurate on validation is trained on and tested once.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import torch

from archdial.comparing.measured import score
from archdial.cost.making.profiling import measure_many
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.networks.example import shape_of
from archdial.runs.folder import read_run
from archdial.runs.images import load_data
from archdial.runs.opening import open_family
from archdial.training.plain_network import TrainSettings


def timed(family: Family, members: list[Member], batch: int, runtime: str) -> dict[Member, float]:
    """Return milliseconds of a batch in each built member, in the same rounds."""
    subjects = [(family.network.build(member.architecture), shape_of(family.network.example)) for member in members]
    found = measure_many(subjects, batch_size=batch, threads=1, repeats=20, runtime=runtime)
    return {member: timing.median_ms for member, timing in zip(members, found, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--fractions", default="0.5,0.333")
    parser.add_argument("--batches", default="1,64")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtimes", default="eager")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    family = open_family(options.run)
    data, seen = load_data(read_run(options.run), family=family)
    teacher = family.network.untouched()
    assert teacher is not None and family.network.whole is not None, "the run has no whole network"
    full = family.member(family.network.whole)
    reference = score(full.build(), data.test, family.task)
    tuned: dict[Member, float] = {}
    pairs = itertools.product(options.runtimes.split(","), map(int, options.batches.split(",")))
    for runtime, batch in pairs:
        times = timed(family, [full, *family.front()], batch, runtime)
        for fraction in map(float, options.fractions.split(",")):
            within = [member for member, ms in times.items() if ms <= fraction * times[full]]
            if not within:
                none = {"runtime": runtime, "batch": batch, "fraction": fraction, "member": None}
                print(json.dumps(none), flush=True)
                continue
            member = max(within, key=lambda m: m.accuracy)
            if member not in tuned:
                settings = TrainSettings.finetuning(options.epochs)
                module = member.finetune(seen.weights, settings, options.seed, teacher)
                tuned[member] = score(module, data.test, family.task)
            row = {
                "runtime": runtime,
                "batch": batch,
                "fraction": fraction,
                "measured": round(times[member] / times[full], 3),
                "whole_test": round(reference, 4),
                "before": round(score(member.build(), data.test, family.task), 4),
                "after": round(tuned[member], 4),
                "points_lost": round(100 * (reference - tuned[member]), 2),
                "parameters": member.parameters,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
