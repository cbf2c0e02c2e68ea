"""The figures of `step.py` here and in another checkout: alternating runs, medians, and the ratio of each figure.

git worktree add ../before REVISION
python benchmarks/step_against.py ../before [--pairs 5] [--rounds 12] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]


def figures(checkout: Path, options: list[str]) -> dict[str, float]:
    """Return what `step.py` of `checkout` prints, with its own `src`."""
    command = [sys.executable, str(checkout / "benchmarks/step.py"), *options]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=checkout).stdout
    return flat(json.loads(output))


def flat(result: dict[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in result.items():
        if isinstance(value, dict):
            found |= flat(value, f"{name}.")
        elif isinstance(value, float):
            found[prefix + name] = value
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rounds", default="12")
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    runs: dict[Path, list[dict[str, float]]] = {options.other.resolve(): [], HERE: []}
    for number in range(options.pairs):
        for checkout in list(runs)[:: 1 if number % 2 else -1]:
            runs[checkout].append(figures(checkout, ["--rounds", options.rounds, "--threads", options.threads]))
    before, here = runs.values()
    print(f"{'figure':24} {'before':>10} {'here':>10} {'here/before':>12}")
    for name in here[0]:
        old, new = (statistics.median(run[name] for run in side) for side in (before, here))
        print(f"{name:24} {old:10.3f} {new:10.3f} {new / old:12.3f}")


if __name__ == "__main__":
    main()
