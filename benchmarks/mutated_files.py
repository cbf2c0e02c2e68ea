"""What becomes of mutated files of every kind: refused, accepted, the longest and the largest; see tests/hostile."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.hostile.kinds import kinds
from tests.hostile.measuring import attempt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of kinds")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("| kind | files | refused | accepted | seconds | worst s | worst MiB | faults |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    faults = 0
    with tempfile.TemporaryDirectory() as place:
        for name, make in kinds(Path(place)).items():
            if asked.only and not any(part in name for part in asked.only):
                continue
            kind, start = make(), time.perf_counter()
            found = attempt(kind, max(1, kind.count * asked.files // 100_000), asked.seed)
            cells = (name, found.files, found.refused, found.accepted, f"{time.perf_counter() - start:.0f}")
            cells += (f"{found.worst_seconds:.2f}", f"{found.worst_mib:.0f}", len(found.faults))
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            for fault in found.faults:
                print(ascii(fault)[:500], file=sys.stderr)
            faults += len(found.faults)
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
