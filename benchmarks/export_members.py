"""Random members of a family in every format: do all load, and how far are their outputs from the module's?

    python benchmarks/export_members.py RUN [--count 20] [--formats pt2,onnx,openvino,executorch] [--seed 0]

A member counts as within if `export` keeps its file: its runtime loaded it, and its outputs for random images are
at most 1e-4 apart. Latencies are medians of one image on one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import torch

from archdial.common.errors import RunError
from archdial.common.progress import Bar
from archdial.exporting import FORMATS, Exported, export, make_format
from archdial.families.member import Member
from archdial.runs.opening import open_family


def exported(members: list[Member], name: str, folder: Path, bar: Bar) -> list[Exported | RunError]:
    part, suffix = bar.part(name, len(members)), make_format(name).suffix
    found: list[Exported | RunError] = []
    for number, member in enumerate(members):
        try:
            found.append(export(member.built(), folder / f"{number}{suffix}", name))
        except RunError as error:
            found.append(error)
        part.advance()
    return found


def summary(name: str, results: list[Exported | RunError]) -> dict[str, object]:
    kept = [result for result in results if isinstance(result, Exported)]
    return {
        "format": name,
        "within": f"{len(kept)} of {len(results)}",
        "largest_difference": max((item.largest_difference for item in kept), default=None),
        "median_kib": statistics.median(item.bytes / 1024 for item in kept) if kept else None,
        "median_ms": statistics.median(item.latency_ms for item in kept) if kept else None,
        "errors": [str(result) for result in results if isinstance(result, RunError)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    family, generator = open_family(options.run), torch.Generator().manual_seed(options.seed)
    members = [family.member(family.space.random(generator)) for _ in range(options.count)]
    with tempfile.TemporaryDirectory() as folder, Bar() as bar:
        for name in options.formats.split(","):
            print(json.dumps(summary(name, exported(members, name, Path(folder), bar))), flush=True)


if __name__ == "__main__":
    main()
