"""Fronts in float32 alone, in int8 alone, and mixed: files in their runtimes, measured and scored.

    python benchmarks/precisions.py RUN [--runtimes onnxruntime,openvino,executorch] [--tables FOLDER] [--count 8]
        [--images 2000] [--split test] [--pictures FOLDER] [--data DATA]

RUN is a search with `precision: [int8]`. For each runtime the dial is fitted to its table: FOLDER/RUNTIME.json, or one
that is made here. Mixed members are those of the dial and of the family's front. Members of one precision are the best
by predictor and table of these and of 2,000 random ones, with all layers set to it: the same that a family without the
choice would have to offer, from the same weights. Of each of the three, up to COUNT members are chosen over the range
of predicted costs, by validation alone.

Then each is exported as its runtime reads it, all files of a runtime are timed together, interleaved, one input on one
thread, and scored on the first IMAGES of the split. Prints one line of JSON a runtime: of each front the hypervolume of
(measured latency, score) as a share of the box of the whole network in float; by how much the best mixed member is
behind the best of the others within 1.03 of its latency, at most and in the mean; the share of layers in int8; how far
predictions of mixed members are off, at the pace of the machine by then (the median of all files over predictions); and
how far scores of files are from those of the members that round in float.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter
from torch import Tensor

from archdial import profile, redial
from archdial.common.metrics import hypervolume, pareto_front
from archdial.common.progress import Bar
from archdial.comparing.measured import score
from archdial.cost.measuring.timing import threads, time_callables
from archdial.cost.table.table import CostTable
from archdial.exporting.agreement import tried
from archdial.exporting.file_network import FileNetwork
from archdial.exporting.formats import make_format
from archdial.exporting.steps import frozen, written_and_loaded
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.networks.graph.choices.precision import Precision
from archdial.runs.opening import open_family
from archdial.runs.run_data import finished_run
from archdial.space import Architecture

FORMATS = {"onnxruntime": "onnx", "openvino": "openvino", "executorch": "executorch"}
RANDOM, NEAR, SEED = 2000, 1.03, 0
KINDS = ("float32", "int8", "mixed")


@dataclass
class Point:
    """One file: what was predicted and what it took and scored."""

    kind: str
    member: Member
    latency_ms: float = 0.0
    score: float = 0.0
    rounded: float = 0.0


def with_bits(family: Family, architecture: Architecture, option: int) -> Architecture:
    """Return `architecture` with all layers in float (0) or int8 (1)."""
    choices = family.network.choices
    taken = zip(choices, architecture.options, strict=True)
    return family.network.canonical(
        Architecture(tuple(option if isinstance(choice, Precision) else own for choice, own in taken))
    )


def in_int8(family: Family, architecture: Architecture) -> float:
    """Return the share of layers that are in int8."""
    rows = [row for row, choice in enumerate(family.network.choices) if isinstance(choice, Precision)]
    return statistics.mean(architecture.options[row] for row in rows)


def chosen(members: Sequence[Member], count: int) -> list[Member]:
    """Return up to `count` of what is not dominated by prediction, evenly over the logarithm of cost."""
    front = [members[i] for i in pareto_front([m.latency_ms for m in members], [m.merit for m in members])]
    places = torch.linspace(0, len(front) - 1, min(count, len(front))).round().long().tolist()
    return [front[place] for place in dict.fromkeys(places)]


def pool(family: Family, count: int) -> list[Point]:
    """Return the members of the three fronts."""
    dice = torch.Generator().manual_seed(SEED)
    own = {member.architecture for member in (*family.front(), *family.along(64))} | {family.network.whole}
    drawn = {family.network.canonical(family.space.random(dice)) for _ in range(RANDOM)}
    points = []
    for option, kind in enumerate(KINDS[:2]):
        alike = {with_bits(family, one, option) for one in own | drawn}
        points += [Point(kind, one) for one in chosen([family.member(one) for one in sorted(alike)], count)]
    return points + [Point("mixed", one) for one in chosen([family.member(one) for one in sorted(own)], count)]


def measured(family: Family, runtime: str, points: Sequence[Point], data: Any, bar: Bar) -> float:
    """Fill in what each takes and scores; return what the whole network takes in float."""
    chosen_format, task = make_format(FORMATS[runtime]), family.task
    part = bar.part(runtime, len(points) + 1)
    runs, members = [], [*(point.member for point in points), family.member(family.network.whole)]
    with tempfile.TemporaryDirectory() as folder, threads(1):
        for number, member in enumerate(members):
            built = member.built()
            module = frozen(built.module)
            runs.append(
                written_and_loaded(chosen_format, module, built, Path(folder) / f"{number}{chosen_format.suffix}")
            )
            if number < len(points):
                points[number].score = score(FileNetwork(runs[-1], chosen_format, built.signature, module), data, task)
                points[number].rounded = score(module, data, task)
            part.advance()
        inputs = tried(members[-1].built(), 1)
        with torch.inference_mode():
            found = time_callables([call(runtime, Path(folder), n, run, inputs) for n, run in enumerate(runs)])
    for point, timing in zip(points, found, strict=False):
        point.latency_ms = timing.median_ms
    return found[-1].median_ms


def call(runtime: str, folder: Path, number: int, run: Any, inputs: Sequence[Tensor]) -> Any:
    """Return what runs a file once; inputs are set beforehand where Python's handing them over would count."""
    arrays = [tensor.numpy() for tensor in inputs]
    if runtime == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(folder / f"{number}.onnx", options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        for place, array in zip(session.get_inputs(), arrays, strict=True):
            binding.bind_cpu_input(place.name, array)
        for place in session.get_outputs():
            binding.bind_output(place.name)
        return lambda kept=arrays: session.run_with_iobinding(binding)
    if runtime == "openvino":
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
        model = openvino.Core().read_model(folder / f"{number}.xml")
        # The file takes any batch; who has one input at a time says so, and the table's networks do.
        model.reshape({place: list(array.shape) for place, array in enumerate(arrays)})
        request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        for place, array in enumerate(arrays):
            request.set_input_tensor(place, openvino.Tensor(array, shared_memory=True))
        return lambda kept=arrays: request.infer(share_outputs=True)
    return lambda: run(*inputs)


def behind(points: Sequence[Point]) -> list[float]:
    """Return for each member of one precision how much better it scores than mixed ones that are as fast."""
    mixed = [point for point in points if point.kind == "mixed"]
    found = []
    for other in points:
        fast = [point.score for point in mixed if point.latency_ms <= NEAR * other.latency_ms]
        if other.kind != "mixed" and fast:
            found.append(max(0.0, other.score - max(fast)))
    return found


def row(family: Family, runtime: str, points: Sequence[Point], full_ms: float) -> dict[str, Any]:
    volumes = {}
    for kind in KINDS:
        own = [point for point in points if point.kind == kind]
        volume = hypervolume([p.latency_ms for p in own], [p.score for p in own], reference_cost=full_ms)
        volumes[kind] = round(volume / full_ms, 4)
    mixed = [point for point in points if point.kind == "mixed"]
    ratios = [point.latency_ms / point.member.latency_ms for point in points]
    pace = statistics.median(ratios)
    off = [abs(pace * point.member.latency_ms / point.latency_ms - 1) for point in mixed]
    lost = behind(points)
    return {
        "runtime": runtime,
        "whole_ms": full_ms,
        "members": {kind: sum(point.kind == kind for point in points) for kind in KINDS},
        "hypervolume": volumes,
        "behind_most": max(lost, default=None),
        "behind_mean": statistics.mean(lost) if lost else None,
        "in_int8": [round(in_int8(family, point.member.architecture), 2) for point in mixed],
        "pace": pace,
        "latency_error": statistics.mean(off),
        "score_apart_mean": statistics.mean(abs(point.score - point.rounded) for point in points),
        "score_apart_most": max(abs(point.score - point.rounded) for point in points),
        "points": {
            kind: [(round(p.latency_ms, 4), round(p.score, 4)) for p in points if p.kind == kind] for kind in KINDS
        },
    }


def draw(path: Path, title: str, points: Sequence[Point]) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for kind, marker in zip(KINDS, "os^", strict=True):
        own = sorted((point.latency_ms, point.score) for point in points if point.kind == kind)
        axes.plot([x for x, _ in own], [y for _, y in own], marker=marker, label=kind)
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(FormatStrFormatter("%g"))
    axes.tick_params(axis="x", which="both", rotation=45, labelsize=8)
    axes.set(xlabel="measured latency, ms", ylabel="score of the file", title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path)


def table_for(family: Family, runtime: str, folder: Path | None, bar: Bar) -> CostTable:
    if folder is not None and (folder / f"{runtime}.json").exists():
        return CostTable.load(folder / f"{runtime}.json")
    return profile(family.network, runtime=runtime, progress=bar.part(f"{runtime} table", 1).upto)


def compare(family: Family, data: Any, options: argparse.Namespace) -> None:
    """Print a line for each runtime, and draw its picture."""
    for runtime in options.runtimes.split(","):
        with Bar() as bar:
            here = redial(family, table=table_for(family, runtime, options.tables, bar))
            points = pool(here, options.count)
            full_ms = measured(here, runtime, points, data, bar)
        print(json.dumps(row(here, runtime, points, full_ms)), flush=True)
        if options.pictures is not None:
            options.pictures.mkdir(parents=True, exist_ok=True)
            draw(options.pictures / f"{runtime}.png", f"{runtime}, one input, one thread", points)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runtimes", default=",".join(FORMATS))
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--pictures", type=Path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data")
    arguments(parser)
    options = parser.parse_args()
    finished = finished_run(options.run, open_family(options.run), options.data)
    compare(finished.family, list(finished.split(options.split).in_order(500, options.images)), options)


if __name__ == "__main__":
    main()
