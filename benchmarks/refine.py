"""Does `archdial refine` correct the ranking? The order that a family claims against that after retraining alone.

    python benchmarks/refine.py RUN --out FOLDER [--members 12] [--check 12] [--epochs 8] [--seed 0] [--workers 2]

RUN, whose family was not refined, is copied to FOLDER and refined there. Then other members, none of those that refined
it, are spread over the front, trained alone in the same way and scored on validation images: Kendall's τ of the order
claimed before and after refining with the order after training, how far the member that is promised best lies below the
best of them, and what the accurate end of both dials reaches. Interrupted, the same call goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from archdial.common.metrics import kendall_tau
from archdial.common.progress import Bar
from archdial.families.chooser import GRID
from archdial.families.family import Family
from archdial.families.storage import load_family
from archdial.refining.spread import spread
from archdial.runs.alone.kept import kept_members
from archdial.runs.alone.plan import Plan, Schooling, origin_of, plan_file, write_plan
from archdial.runs.alone.school import School
from archdial.runs.folder import UNREFINED
from archdial.runs.opening import open_family
from archdial.runs.refine_run import Asked, refine_run, train_members
from archdial.runs.run_data import FinishedRun, finished_run
from archdial.space import Architecture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--members", type=int, default=12)
    parser.add_argument("--check", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", help="where the images are now")
    options = parser.parse_args()
    asked = Asked(options.members, options.epochs, seed=options.seed, workers=options.workers, data=options.data)
    if not options.out.exists():
        shutil.copytree(options.run, options.out)
    with Bar() as bar:
        if not (options.out / UNREFINED).exists():
            refine_run(options.out, asked, resume=plan_file(options.out).exists(), bar=bar)
        before, after = load_family(options.out / UNREFINED), open_family(options.out)
        seen = {claim.architecture for claim in after.refinement.trained}
        check = spread(before, options.check, without=seen)
        ends = [family.along(GRID)[0].architecture for family in (before, after)]
        finished = finished_run(options.out, before, options.data)
        scores = trained(options.out, finished, after, [*check, *ends], asked, bar)
    tell(before, after, check, ends, scores)


def trained(
    folder: Path, finished: FinishedRun, after: Family, members: Sequence[Architecture], asked: Asked, bar: Bar
) -> dict[Architecture, float]:
    """Return the scores of `members`, and of all others that were trained alike, training those that were not yet."""
    family, refinement = finished.family, after.refinement
    scratch = refinement.weights == "retrained"
    settings = finished.run.recipe.training(scratch=scratch, epochs=refinement.epochs)
    origin = origin_of(family, finished.data.seen.digest, scratch=scratch)
    schooling = Schooling(scratch, settings, refinement.seed, origin)
    plan = Plan(tuple(dict.fromkeys(members)), len(members), schooling, None, asked.device or "cpu")
    write_plan(plan, folder)
    train_members(School(folder, finished, plan), asked, bar)
    plan_file(folder).unlink()
    return {one.architecture: one.score for one in kept_members(folder, family, schooling)}


def tell(
    before: Family,
    after: Family,
    check: Sequence[Architecture],
    ends: Sequence[Architecture],
    scores: dict[Architecture, float],
) -> None:
    measure = before.task.measure
    found = [scores[one] for one in check]
    claimed = {
        "before": [before.member(one).score for one in check],
        "after": [after.member(one).after_training.score for one in check],
    }
    for place, one in enumerate(check):
        row = {name: round(values[place], 4) for name, values in claimed.items()}
        latency = round(before.member(one).latency_ms, 4)
        print(json.dumps({"latency_ms": latency, **row, "trained": round(found[place], 4)}), flush=True)
    best = max(map(measure.merit, found))
    for (name, values), end in zip(claimed.items(), ends, strict=True):
        merits = [measure.merit(value) for value in values]
        promised = measure.merit(found[merits.index(max(merits))])
        told = {
            "claimed": name,
            "tau": round(kendall_tau(merits, [measure.merit(score) for score in found]), 3),
            "promised_best_below_best": round((best - promised) * measure.factor, 3),
            "accurate_end_above_best": round((measure.merit(scores[end]) - best) * measure.factor, 3),
        }
        print(json.dumps(told), flush=True)
    refinement = after.refinement
    print(json.dumps({"left_one_out": {"before": refinement.tau_before, "after": refinement.tau_after}}))


if __name__ == "__main__":
    main()
