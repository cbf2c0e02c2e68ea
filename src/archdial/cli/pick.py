"""archdial pick: one member of a run."""

from __future__ import annotations

from archdial.cli.app import app
from archdial.cli.options import (
    At,
    Flops,
    Json,
    LatencyMs,
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
    out: MemberFolder = None,
    model: Model = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Take one member of a run.

    Either at a dial position, or the most accurate one within budgets, which combine.
    """
    from archdial.families.storage import save_member
    from archdial.report.console import members_table
    from archdial.runs.opening import open_family

    with new_folder(out, "archdial pick"):
        family = open_family(run, model, trust=trust, figures=out is None)
        member = picked(family, Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes))
        if out is not None:
            save_member(member, out)
    value = member.to_json()
    lines = [] if out is None else [f"member in {out}"]
    cells = [f"  {choice}: {option}" for choice, option in value["architecture"].items()]
    table = members_table([value], f"a member of {run}", member.measure)
    show({**value, "folder": None if out is None else str(out)}, table, *cells, *lines, as_json=json)
