"""archdial export: one member as a file that runs without archdial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdial.cli import completing
from archdial.cli.app import app
from archdial.cli.following import report_next
from archdial.cli.new_files import check_new_files
from archdial.cli.options import (
    At,
    Confidence,
    Flops,
    Json,
    LatencyMs,
    Measured,
    Model,
    On,
    Params,
    PeakBytes,
    SizeBytes,
    Trust,
)
from archdial.cli.output import show
from archdial.cli.picking import Pick, picked, saved

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.exporting import Exported
    from archdial.exporting.built import BuiltMember


@app.command(epilog="Example: archdial export runs/digits --latency-ms 0.5 --format onnx -o digits.onnx")
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MEMBER",
            help="Folder of a finished search, or of a member saved with --out.",
            autocompletion=completing.runs_and_members,
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            help="pt2, onnx, openvino, executorch or huggingface.", autocompletion=completing.one_of(completing.FORMATS)
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="New file: .pt2, .onnx, .xml, .pte, or FOLDER/model.safetensors.")
    ],
    at: At = None,
    latency_ms: LatencyMs = None,
    params: Params = None,
    flops: Flops = None,
    size_bytes: SizeBytes = None,
    peak_bytes: PeakBytes = None,
    on: On = None,
    confidence: Confidence = None,
    measure: Measured = False,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write one member as a file that runs without archdial.

    From a run, the member is chosen as in `archdial pick`; a member saved by `pick` or `finetune` is exported as is.
    The file is kept only if its outputs match the member's to within 1e-4 (with int8 layers, a tenth of the largest).
    FILE.json next to it describes the inputs (including image normalisation), the outputs, the member, and the latency
    measured in the format's own runtime.
    """
    from archdial import exporting
    from archdial.common.progress import Bar

    check_new_files(exporting.written(out, format))
    built = _built(
        source, Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes, confidence, measure), model, trust
    )
    with Bar() as bar:
        exported = exporting.export(built, out, format, bar=bar)
    lines = f"model saved in {out}; its inputs and outputs are described in {out}.json"
    then = f"load {out} in your program, and read {out}.json for its inputs and outputs"
    if not (source / "architecture.json").is_file():
        then = report_next(source, on, model=model, trust=trust)
    show(exported.to_json(), _summary(exported), lines, as_json=json, then=then)


def _built(source: Path, pick: Pick, model: str | None, trust: bool) -> BuiltMember:
    from archdial.families.storage import ARCHITECTURE
    from archdial.runs.opening import open_family

    if not (source / ARCHITECTURE).is_file():
        return picked(open_family(source, model, trust=trust), pick).built()
    return saved(source, pick, f"{source} holds", model, trust)


def _summary(exported: Exported) -> Table:
    from rich.table import Table

    record = exported.record
    batch = record["input"]["shape"][0]
    table = Table(title=f"{record['file_format']}: one input, one thread, {record['latency']['runtime']}")
    for heading in ("size KiB", "latency ms", "spread %", "outputs apart", "batch"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{exported.bytes / 1024:,.1f}",
        f"{exported.latency_ms:.3g}",
        f"{100 * record['latency']['spread']:.0f}",
        f"{exported.largest_difference:.1e}",
        "any" if batch == "batch" else str(batch),
    )
    return table
