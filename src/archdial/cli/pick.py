"""archdial pick: pick one member of a run."""

from __future__ import annotations

from typing import Any

from archdial.cli.app import app
from archdial.cli.following import command, export_next
from archdial.cli.options import (
    At,
    Confidence,
    Flops,
    Json,
    LatencyMs,
    Measured,
    MemberFolder,
    Model,
    On,
    Params,
    PeakBytes,
    RunArgument,
    SizeBytes,
    Trust,
)
from archdial.cli.output import show
from archdial.cli.picking import Pick, new_folder, picked
from archdial.cli.promised import told_of


@app.command(epilog="Example: archdial pick runs/digits --latency-ms 0.5 --params 20000 --out member")
def pick(
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
    out: MemberFolder = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Pick one member of a run.

    Either the member at a dial position, or the most accurate one within all given budgets. A latency budget keeps a
    margin for the cost table's own error; with --measure, the best candidates are timed on this machine, and the most
    accurate one that meets the budget is picked.
    """
    from archdial.families.storage import save_member
    from archdial.report.console import members_table
    from archdial.runs.opening import open_family

    asked = Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes, confidence, measure)
    with new_folder(out, "archdial pick"):
        family = open_family(run, model, trust=trust, figures=out is None and not measure)
        member = picked(family, asked)
        if out is not None:
            save_member(member, out)
    value = member.to_json()
    lines = [] if out is None else [f"member saved in {out}"]
    cells = [f"  {choice}: {option}" for choice, option in value["architecture"].items()]
    table = members_table([value], f"member of {run}", member.measure)
    lines += told_of(member, asked, run)
    code: dict[str, Any] = {"model": model, "trust": trust}
    if out is None:
        then = command("finetune", run, **asked.options(), **code, out=f"{run}-finetuned")
    else:
        then = export_next(out, **code)
    show({**value, "folder": None if out is None else str(out)}, table, *cells, *lines, as_json=json, then=then)
