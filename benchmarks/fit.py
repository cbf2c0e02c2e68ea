"""Cost tables of several runtimes: predicted against measured latency of unseen networks, with and without the fit.

    python benchmarks/fit.py RECIPE --data FOLDER [--runtimes eager,onnxruntime,openvino,executorch] [--count 40]
        [--out FOLDER]

For each runtime a table is made at batch 1 on one thread, then so many random networks are measured that its fit has
not seen. Prints one line of JSON a runtime: seconds for table and fit, mean error, share within 10 %, Kendall's τ;
tables and checks go into the folder.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from archdial.common.files import write_json
from archdial.common.progress import Bar
from archdial.cost.making.checking import check
from archdial.cost.making.profiling import profile
from archdial.data import load
from archdial.runs.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--runtimes", default="eager,onnxruntime,openvino,executorch")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    recipe = load_recipe(options.recipe).changed(data=options.data)
    network = recipe.network.make(load(recipe.data, channels=recipe.channels))
    for runtime in options.runtimes.split(","):
        with Bar() as bar:
            table = profile(network, runtime=runtime, progress=bar.part(f"{runtime} table", 1).upto)
            found = check(network, table, options.count, bar.part(f"{runtime} check", 1).upto)
        if options.out is not None:
            table.save(options.out / f"{runtime}.json")
            architectures = [list(architecture.options) for architecture in found.architectures]
            write_json(options.out / f"{runtime}.check.json", {**found.to_json(), "options": architectures})
        row = {
            "recipe": options.recipe,
            "runtime": runtime,
            "seconds": table.runtime["seconds"],
            "noisy": len(table.runtime["noisy"]),
            "held_out": None if table.fit is None else asdict(table.fit.held_out),
            "unseen": asdict(found.agreement),
            "plain_sum": asdict(found.plain),
            "pace": found.pace,
            "range_ms": [min(found.measured), max(found.measured)],
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
