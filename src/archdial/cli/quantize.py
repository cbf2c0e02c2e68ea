"""archdial quantize: one member in eight bits, measured beside float32."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archdial.cli import completing
from archdial.cli.app import app
from archdial.cli.following import again
from archdial.cli.new_files import check_new_files
from archdial.cli.options import (
    At,
    Confidence,
    Data,
    Flops,
    Json,
    LatencyMs,
    Measured,
    Model,
    On,
    Params,
    PeakBytes,
    RunArgument,
    SizeBytes,
    Trust,
)
from archdial.cli.output import show
from archdial.cli.picking import Pick, picked, saved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from archdial.exporting.eight_bits import Quantized
    from archdial.runs.run_data import FinishedRun
    from archdial.tasks.measure import Measure


@app.command(epilog="Example: archdial quantize runs/digits --latency-ms 0.5 --runtime onnxruntime -o digits-int8.onnx")
def quantize(
    context: typer.Context,
    run: RunArgument,
    at: At = None,
    latency_ms: LatencyMs = None,
    params: Params = None,
    flops: Flops = None,
    size_bytes: SizeBytes = None,
    peak_bytes: PeakBytes = None,
    on: On = None,
    confidence: Confidence = None,
    measure: Measured = False,
    runtime: Annotated[
        str,
        typer.Option(
            help="onnxruntime, openvino or executorch.", autocompletion=completing.one_of(completing.QUANTIZERS)
        ),
    ] = "onnxruntime",
    member: Annotated[
        Path | None,
        typer.Option(
            metavar="MEMBER",
            help="Quantize a member saved with --out, such as a fine-tuned one, instead of picking one.",
            show_default=False,
            autocompletion=completing.runs_and_members,
        ),
    ] = None,
    split: Annotated[
        Literal["validation", "test"], typer.Option(help="Split on which both precisions are scored.")
    ] = "validation",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Keep the file in eight bits: .onnx, .xml or .pte.", show_default=False),
    ] = None,
    data: Data = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Quantize one member to eight bits, and compare it with float32.

    Uses the runtime's own quantizer after training: ranges of activations come from the family's calibration examples.
    Both files run in the runtime, on one thread: their size, latency and score are measured. Whether eight bits are
    faster depends on processor, runtime and member.
    """
    from archdial.common.progress import Bar
    from archdial.comparing.measured import score
    from archdial.exporting.eight_bits import quantize as quantized
    from archdial.exporting.eight_bits import quantizer_format, written
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run

    targets = written(out, runtime)
    if targets:
        check_new_files(targets)
    family = open_family(run, model, trust=trust)
    pick = Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes, confidence, measure)
    if member is None:
        built = picked(family, pick).built()
    else:
        built = saved(member, pick, f"--member {member} is", model, trust)
    finished = finished_run(run, family, data, on, trust=trust)
    judge = partial(score, data=finished.split(split), task=finished.family.task)
    with Bar() as bar:
        found = quantized(built, runtime, _calibration(finished), out, judge=judge, bar=bar)
    measure_of = finished.family.task.measure
    value = {**found.to_json(measure_of.name), "split": split, "path": None if out is None else str(out)}
    lines = [_verdict(found, measure_of)]
    if out is not None:
        lines.append(f"model saved in {out}; its inputs and outputs are described in {out}.json")
    keeping = again(context, "--out", f"{run}-int8{quantizer_format(runtime).suffix}")
    then = keeping if out is None else f"load {out} in your program, and read {out}.json for its inputs and outputs"
    show(value, _table(found, measure_of, split), *lines, as_json=json, then=then)


def _calibration(finished: FinishedRun) -> Iterable[Any]:
    """Return inputs that ranges are found from: those that the family keeps, or else the first training examples."""
    import torch

    from archdial.exporting.calibration import MOST

    kept, task = finished.family.calibrating, finished.family.task
    first = finished.data.seen.weights.in_order(MOST, MOST)
    return kept or (task.inputs(batch, torch.device("cpu")) for batch in first)


def _table(found: Quantized, measure: Measure, split: str) -> Table:
    from rich.table import Table

    table = Table(title=f"{found.runtime}: one input, one thread; {measure.name} on {split}")
    table.add_column("precision")
    for heading in ("size KiB", "latency ms", "spread %", measure.heading):
        table.add_column(heading, justify="right")
    for name, side in (("float32", found.float32), ("int8", found.int8)):
        table.add_row(
            name,
            f"{side.bytes / 1024:,.1f}",
            f"{side.timing.median_ms:.3g}",
            f"{100 * side.timing.spread:.0f}",
            "" if side.score is None else measure.text(side.score),
        )
    return table


def _verdict(found: Quantized, measure: Measure) -> str:
    """Return in a sentence what eight bits bring, and what they cost."""
    quick, share = found.speedup, found.int8.bytes / found.float32.bytes
    time = f"int8 takes {100 / quick:.0f} % of the time of float32"
    size = f"{100 * share:.0f} % of the file"
    assert found.float32.score is not None and found.int8.score is not None
    gained = measure.merit(found.int8.score) - measure.merit(found.float32.score)
    kept = f"{measure.name} is {'better' if gained > 0 else 'worse'} by {measure.apart(abs(gained))}"
    advice = "" if quick > 1 else "; for speed, keep float32 on this machine"
    return f"{time} and {size}; {kept if gained else f'{measure.name} is the same'}{advice}"
