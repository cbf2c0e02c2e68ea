"""Measure the files of an archdial bundle on this device, and write the cost table to carry home.

It needs Python 3.10 or newer, numpy and onnxruntime (or executorch, for a bundle with .pte files), nothing else:

    python measure.py                      # writes table.json beside it
    python measure.py --threads 4 --out big_cores.json

Let nothing else run meanwhile. Back home: archdial search RECIPE --table table.json
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy

from archdial.cost.measuring.rounds import REPEATS, Call, Timing, time_callables


def main() -> None:
    """Measure, and write the table."""
    options = arguments()
    here = Path(__file__).resolve().parent
    manifest = json.loads((here / "manifest.json").read_text(encoding="utf-8"))
    began = time.perf_counter()
    calls = [call(here, subject, options) for subject in manifest["subjects"]]
    timings = time_callables(calls, repeats=options.repeats, progress=told)
    print(file=sys.stderr)
    found = {subject["key"]: timing for subject, timing in zip(manifest["subjects"], timings, strict=True)}
    table = filled(manifest["table"], found)
    table["runtime"] = header(manifest, options, found, time.perf_counter() - began)
    temporary = options.out.with_name(options.out.name + ".part")
    temporary.write_text(json.dumps(table, indent=1), encoding="utf-8")
    temporary.replace(options.out)
    noisy = len(table["runtime"]["noisy"])
    warning = f"; {noisy} of {len(found)} latencies are noisy: close other programs and measure again" if noisy else ""
    print(f"table in {options.out}{warning}")


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", default="onnxruntime", choices=["onnxruntime", "executorch"])
    parser.add_argument("--threads", type=int, default=1, help="threads per call")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="repetitions; the median counts")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "table.json")
    options = parser.parse_args()
    if options.threads < 1 or options.repeats < 1:
        parser.error("--threads and --repeats: expected whole numbers, 1 or more")
    if not options.out.absolute().parent.is_dir():
        parser.error(f"--out {options.out}: no such folder; create it first")
    if options.out.exists() and not is_table(options.out):
        parser.error(f"--out {options.out}: it exists and is not a cost table; choose another name")
    return options


def is_table(path: Path) -> bool:
    """Return whether `path` holds a table, which may be measured again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and value.get("format") == "archdial.table"


def call(here: Path, subject: dict[str, Any], options: argparse.Namespace) -> Call:
    """Return what runs a subject once, on random numbers."""
    generator = numpy.random.default_rng(0)
    places = subject.get("pte_inputs", subject["inputs"]) if options.runtime == "executorch" else subject["inputs"]
    inputs = [example(place, generator) for place in places]
    if options.runtime == "executorch":
        if "pte" not in subject:
            sys.exit("error: this bundle has no .pte files: create it with archdial profile … --bundle DIR --pte")
        return by_executorch(here / subject["pte"], inputs, options.threads)
    return by_onnxruntime(here / subject["onnx"], inputs, options.threads)


def example(place: dict[str, Any], generator: numpy.random.Generator) -> Any:
    """Return a random input; whole numbers are zeros, as they may be indices."""
    if place["dtype"].startswith("float"):
        return generator.standard_normal(place["shape"]).astype(place["dtype"])
    return numpy.zeros(place["shape"], place["dtype"])


def by_onnxruntime(path: Path, inputs: list[Any], threads: int) -> Call:
    """Return a run of an ONNX file, inputs and outputs bound beforehand."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for place in session.get_inputs():
        # What a part does not read is no input of its model.
        binding.bind_cpu_input(place.name, inputs[int(place.name.removeprefix("input_"))])
    for place in session.get_outputs():
        binding.bind_output(place.name)
    # The binding reads the inputs where they are.
    return lambda kept=inputs: session.run_with_iobinding(binding)  # type: ignore[misc]


def by_executorch(path: Path, inputs: list[Any], threads: int) -> Call:
    """Return a run of an ExecuTorch program."""
    import torch
    from executorch.extension.pybindings import portable_lib

    portable_lib._unsafe_reset_threadpool(threads)
    program = portable_lib._load_for_executorch(str(path))
    tensors = tuple(torch.from_numpy(value) for value in inputs)
    return lambda: program.run_method("forward", tensors, clone_outputs=False)


def told(done: int, total: int) -> None:
    """Show on standard error how far it is."""
    print(f"\r{done} of {total}", end="", file=sys.stderr, flush=True)


def filled(table: dict[str, Any], found: dict[str, Timing]) -> dict[str, Any]:
    """Return `table` with the latencies of parts, entries and networks."""
    for key, part in table["parts"].items():
        part.update(latency_ms=found[key].median_ms, latency_spread=found[key].spread)
    for number, network in enumerate(table["networks"]):
        timing = found[f"network/{number}"]
        network.update(latency_ms=timing.median_ms, latency_spread=timing.spread)
    for term in table["terms"]:
        for entry in term["entries"]:
            for one in [entry, *([entry["merged"]] if "merged" in entry else [])]:
                latency = sum(found[key].median_ms for key in one["parts"])
                width = sum(found[key].median_ms * found[key].spread for key in one["parts"])
                one.update(latency_ms=latency, latency_spread=width / latency if latency > 0 else 0.0)
    return table


def header(
    manifest: dict[str, Any], options: argparse.Namespace, found: dict[str, Timing], seconds: float
) -> dict[str, Any]:
    """Return how the table was measured."""
    return {
        "device": "cpu",
        "device_name": f"{processor()} ({platform.node() or 'no name'})",
        "cpu": processor(),
        "python": platform.python_version(),
        "runtime": options.runtime,
        "runtime_version": version(options.runtime),
        "threads": options.threads,
        "batch_size": manifest["batch_size"],
        "repeats": options.repeats,
        "dtype": "float32",
        "layout": "channels_first",
        "spread": round(float(numpy.median([timing.spread for timing in found.values()])), 4),
        "noisy": [key for key, timing in found.items() if timing.noisy],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017 (Python 3.10)
        "seconds": round(seconds, 3),
    }


def version(package: str) -> str:
    """Return the version of `package`, or "unknown": some builds are distributed under other names."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def processor() -> str:
    """Return the model of the processor, or of the board, as far as the system tells it."""
    for path, key in (("/proc/cpuinfo", "model name"), ("/proc/cpuinfo", "Model"), ("/proc/device-tree/model", "")):
        if Path(path).is_file():
            text = Path(path).read_text(encoding="utf-8", errors="replace").strip("\0")
            found = [line.partition(":")[2].strip() for line in text.splitlines() if key and line.startswith(key)]
            if found or not key:
                return found[0] if found else text.strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
