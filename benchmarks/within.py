"""What `within(latency_ms=x)` promises against what the built network takes, for x across the range.

    python benchmarks/within.py RUN [--runtimes onnxruntime,eager,openvino,executorch] [--count 20] [--measured 20]

For each runtime a table is made at batch 1 on one thread and the run's dial fitted to it. Budgets go evenly from the
least that can be promised to the largest latency. Then, all in this one run:

- `default`: the members for these budgets with the margin of confidence 0.95, and `no_margin`: those with none
  (confidence 0.5), are built and measured afresh in one process, together with ten networks of the table's own fit,
  which tell at what pace the machine runs now. Counted is who exceeds the budget by more than 5 %, as measured and at
  the table's pace.
- `measured`: with `measured=True` each member is timed again right after its answer, by another process, beside six
  networks of the table. Counted is who exceeds the budget by more than 2 %, as measured.

Prints one line of JSON a runtime. ExecuTorch takes seconds to convert each candidate: give it a smaller --measured,
which then are budgets evenly from all.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archdial import redial
from archdial.common.errors import UsageError
from archdial.common.progress import Bar
from archdial.cost.making.pace import REFERENCES, references
from archdial.cost.making.profiling import measure_many, profile
from archdial.cost.table.margin import CONFIDENCE, NO_MARGIN, margin
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.families.timing_candidates import TOGETHER
from archdial.runs.opening import open_family

ALLOWED, AGAIN = 1.05, 1.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtimes", default="onnxruntime,eager,openvino,executorch")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--measured", type=int)
    options = parser.parse_args()
    searched = open_family(options.run)
    for runtime in options.runtimes.split(","):
        with Bar() as bar:
            table = profile(searched.network, runtime=runtime, progress=bar.part(f"{runtime} table", 1).upto)
        family = redial(searched, table=table)
        count = options.count if options.measured is None else options.measured
        print(json.dumps({"runtime": runtime, **figures(family, options.count, count)}), flush=True)


def figures(family: Family, count: int, measured: int) -> dict[str, Any]:
    cost, kept = family.costs["latency_ms"], margin(family.residuals, CONFIDENCE) or 0.0
    least = cost.lowest * (1 + kept)
    budgets = [least + (max(cost.highest, least) - least) * n / max(1, count - 1) for n in range(count)]
    return {
        "range_ms": [cost.lowest, cost.highest],
        "margin": kept,
        "held_out": family.table.fit and family.table.fit.held_out.mean_error,
        **promised(family, budgets),
        "measured": timed_again(family, budgets[:: max(1, len(budgets) // measured)][:measured] if measured else []),
    }


def took(family: Family, members: Sequence[Member], count: int) -> tuple[list[float], float]:
    """Milliseconds of `members`, measured in one new process, and the pace by `count` networks of the table."""
    again = references(family.space, family.table, count)
    modules = [member.timed() for member in members] + [family.network.build(one).eval() for one in again]
    subjects = [(module, family.network.example) for module in modules]
    found = [one.median_ms for one in measure_many(subjects, runtime=str(family.table.runtime["runtime"]))]
    now = zip(found[len(members) :], again.values(), strict=True)
    return found[: len(members)], statistics.median(ms / then for ms, then in now)


def promised(family: Family, budgets: Sequence[float]) -> dict[str, Any]:
    """Both kinds of answers by the table alone, measured in the same process."""
    levels = {"default": CONFIDENCE, "no_margin": NO_MARGIN}
    answers = {name: [family.within(latency_ms=b, confidence=sure) for b in budgets] for name, sure in levels.items()}
    every = {member.architecture: member for members in answers.values() for member in members}
    found, pace = took(family, list(every.values()), REFERENCES)
    ms = dict(zip(every, found, strict=True))
    rows = {}
    for name, members in answers.items():
        ratios = [ms[member.architecture] / budget for member, budget in zip(members, budgets, strict=True)]
        rows[name] = {
            "distinct": len({member.architecture for member in members}),
            "over": sum(ratio > ALLOWED for ratio in ratios),
            "over_at_pace": sum(ratio / pace > ALLOWED for ratio in ratios),
            "above_budget_at_pace": sum(ratio / pace > 1 for ratio in ratios),
            "worst_at_pace": round(max(ratios) / pace, 4),
            "score": round(statistics.mean(member.score for member in members), 4),
            "measured_to_predicted": [round(ms[m.architecture] / pace / m.latency_ms, 3) for m in members],
        }
    return {"pace": round(pace, 4), **rows}


def timed_again(family: Family, budgets: Sequence[float]) -> dict[str, Any]:
    """Answers that were timed here, and timed again by another process."""
    ratios, scores, refused = [], [], 0
    for budget in budgets:
        try:
            member = family.within(latency_ms=budget, measured=True)
        except UsageError:
            # The machine is so slow that nothing meets it.
            refused += 1
            continue
        ratios.append(took(family, [member], TOGETHER)[0][0] / budget)
        scores.append(member.score)
    return {
        "budgets": len(budgets),
        "refused": refused,
        "over": sum(ratio > AGAIN for ratio in ratios),
        "worst": round(max(ratios, default=0.0), 4),
        "score": round(statistics.mean(scores), 4) if scores else None,
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


if __name__ == "__main__":
    main()
