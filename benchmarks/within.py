"""What `within(latency_ms=x)` promises against what the built network takes, for x across the range.

    python benchmarks/within.py RUN [--runtimes eager,onnxruntime,openvino] [--count 20]

For each runtime a table is made at batch 1 on one thread and the run's dial fitted to it; then the members for so many
budgets, evenly from the least latency to the largest, are built and measured afresh, together with ten networks of the
table's own fit, which tell at what pace the machine runs now. Prints one line of JSON a runtime: how many members
exceed their budget by more than 5 %, as measured and at the table's pace.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from archdial import redial
from archdial.common.progress import Bar
from archdial.cost.making.profiling import measure_many, profile
from archdial.networks.example import shape_of
from archdial.runs.opening import open_family

AGAIN = 10
ALLOWED = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtimes", default="eager,onnxruntime,openvino")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    searched = open_family(options.run)
    network = searched.network
    for runtime in options.runtimes.split(","):
        with Bar() as bar:
            table = profile(network, runtime=runtime, progress=bar.part(f"{runtime} table", 1).upto)
        family = redial(searched, table=table)
        cost, count = family.costs["latency_ms"], options.count
        budgets = [cost.lowest + (cost.highest - cost.lowest) * n / (count - 1) for n in range(count)]
        members = [family.within(latency_ms=budget) for budget in budgets]
        again = table.networks[:AGAIN]
        built = [member.architecture for member in members]
        built += [network.space.parse(item.architecture) for item in again]
        subjects = [(network.build(architecture), shape_of(network.example)) for architecture in built]
        found = [timing.median_ms for timing in measure_many(subjects, runtime=runtime)]
        pace = statistics.median(ms / item.latency_ms for ms, item in zip(found[count:], again, strict=True))
        over = [ms / budget for ms, budget in zip(found[:count], budgets, strict=True)]
        row = {
            "runtime": runtime,
            "range_ms": [cost.lowest, cost.highest],
            "distinct": len({member.architecture for member in members}),
            "pace": round(pace, 4),
            "over": sum(ratio > ALLOWED for ratio in over),
            "over_at_pace": sum(ratio / pace > ALLOWED for ratio in over),
            "worst_at_pace": round(max(over) / pace, 4),
            "measured_to_predicted": [
                round(ms / pace / m.latency_ms, 3) for ms, m in zip(found[:count], members, strict=True)
            ],
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
