"""archdial export: one member as a file that runs without archdial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archdial.cli import completing
from archdial.cli.app import app
from archdial.cli.following import report_next
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
    SizeBytes,
    Trust,
)
from archdial.cli.output import show
from archdial.cli.picking import Pick, picked, saved
from archdial.common.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.exporting import Exported
    from archdial.exporting.built import BuiltMember
    from archdial.exporting.file_network import Judge
    from archdial.families.member import Member


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
    split: Annotated[
        Literal["validation", "test"] | None,
        typer.Option(help="Also score the file on this split of the run's data.", show_default=False),
    ] = None,
    data: Data = None,
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
    pick = Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes, confidence, measure)
    subject = _subject(source, pick, split, data, model, trust)
    with Bar() as bar:
        exported = exporting.export(subject.built, out, format, judge=subject.judge, scored_on=split or "", bar=bar)
    lines = f"model saved in {out}; its inputs and outputs are described in {out}.json"
    then = f"load {out} in your program, and read {out}.json for its inputs and outputs"
    if not (source / "architecture.json").is_file():
        then = report_next(source, on, model=model, trust=trust)
    show(exported.to_json(), _summary(exported, subject), lines, as_json=json, then=then)


@dataclass(frozen=True)
class _Subject:
    """What is exported, and what the family says of it.

    Attributes:
        member: of the run; None of a saved member.
        judge: scores a network on the split; None where no split is asked for.
    """

    built: BuiltMember
    member: Member | None = None
    judge: Judge | None = None


def _subject(source: Path, pick: Pick, split: str | None, data: str | None, model: str | None, trust: bool) -> _Subject:
    from archdial.comparing.measured import score
    from archdial.families.storage import ARCHITECTURE
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run

    if (source / ARCHITECTURE).is_file():
        if split is not None:
            raise UsageError(f"--split needs the data of a run, and {source} is a single member: pass its run instead")
        return _Subject(saved(source, pick, f"{source} holds", model, trust))
    family = open_family(source, model, trust=trust)
    member = picked(family, pick)
    if split is None:
        return _Subject(member.built(), member)
    finished = finished_run(source, family, data, pick.on, trust=trust)
    judge = partial(score, data=finished.split(split), task=finished.family.task)
    return _Subject(member.built(), member, judge)


def _summary(exported: Exported, subject: _Subject) -> Table:
    """Return what was measured of the file, below it what the family says of the member."""
    from rich.table import Table

    record, member = exported.record, subject.member
    batch, runtime = record["input"]["shape"][0], record["latency"]["runtime"]
    table = Table(title=f"{record['file_format']}: one input, one thread, {runtime}")
    table.add_column("")
    measure = None if member is None or subject.judge is None else member.measure
    scored = [] if measure is None else [measure.heading]
    for heading in ("size KiB", "latency ms", "spread %", "outputs apart", "batch", *scored):
        table.add_column(heading, justify="right")
    table.add_row(
        "file",
        f"{exported.bytes / 1024:,.1f}",
        f"{exported.latency_ms:.3g}",
        f"{100 * record['latency']['spread']:.0f}",
        f"{exported.largest_difference:.1e}",
        "any" if batch == "batch" else str(batch),
        *([] if measure is None else [measure.text(record["score"]["value"])]),
    )
    if member is not None and member.family.table.runtime.get("runtime") == runtime:
        told = f"{record['member']['size_bytes'] / 1024:,.1f}"
        scores = [] if measure is None else [measure.text(member.score)]
        table.add_row("family", told, f"{member.latency_ms:.3g}", "", "", "", *scores)
    return table
