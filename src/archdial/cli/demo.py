"""archdial demo: run everything once, in about a minute."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli.app import app
from archdial.cli.evaluate import measure_members, table_of
from archdial.cli.following import command
from archdial.cli.options import Json
from archdial.cli.output import show
from archdial.cli.report import write_report
from archdial.cli.results import check_drawing
from archdial.cli.search import guarded

if TYPE_CHECKING:
    from archdial.families.family import Family
    from archdial.families.member import Member

RECIPE = "digits"


@app.command(epilog="Example: archdial demo --out runs/demo")
def demo(
    out: Annotated[Path, typer.Option(help="Run folder; an earlier demo there is replaced.")] = Path("runs/demo"),
    json: Json = False,
) -> None:
    """Run the whole workflow once, in about a minute.

    Runs a search on handwritten digits, measures the members, builds and saves one, and writes the report. An earlier
    demo in the folder is replaced; any other run there is left alone and reported as an error.
    """
    from archdial.common.folder_lock import locked
    from archdial.common.progress import Bar
    from archdial.cost.measuring.timing import threads
    from archdial.runs.beginning import new_run
    from archdial.runs.demo import forget_demo
    from archdial.runs.folder import MEMBER, MEMBERS, check_writable
    from archdial.runs.recipe import load_recipe
    from archdial.runs.run_data import finished_run

    began = time.perf_counter()
    check_writable(out)
    check_drawing("archdial demo", page=True)
    with locked(out, "archdial demo"):
        forget_demo(out)
        run = new_run(out, load_recipe(RECIPE), demo=True)
        # On so small a network a second thread gains nothing; where cores are busy it makes every step 20 times slower.
        with Bar() as bar, threads(1):
            family = guarded(run, f"archdial search {RECIPE} --out {out} --resume", bar)
            value = measure_members(finished_run(out, family, test_only=True), "test", 24, bar)
        member = _middle(family)
        equal = _saved_alike(member, out / MEMBER)
        paths = write_report(out, value)
    seconds = time.perf_counter() - began
    result: dict[str, Any] = {
        "run": str(out),
        "members_file": str(out / MEMBERS),
        "members": value["members"],
        "member": {**member.to_json(), "folder": str(out / MEMBER), "equal_outputs": equal},
        **paths,
        "seconds": round(seconds, 1),
    }
    then = command("pick", out, latency_ms=_budget(member))
    show(result, table_of(value), *_lines(member, out / MEMBER, paths, seconds), as_json=json, then=then)


def _middle(family: Family) -> Member:
    """Return the best member within half of the range of latencies."""
    from archdial.cost.table.margin import CONFIDENCE, margin

    cost, kept = family.costs["latency_ms"], margin(family.residuals, CONFIDENCE) or 0.0
    # On a busy machine a table may be off by so much that nothing is promised there.
    least = cost.lowest * (1 + kept) * (1 + 1e-9)
    return family.within(latency_ms=max((cost.lowest + cost.highest) / 2, least))


def _saved_alike(member: Member, folder: Path) -> bool:
    """Build `member`, save it, load it, and compare the outputs of both for the calibration images."""
    import torch

    from archdial.common.errors import RunError
    from archdial.families.storage import load_member, save_member

    module = member.build()
    save_member(member, folder, module)
    images = torch.cat([*member.family.calibrating])
    with torch.inference_mode():
        equal = torch.equal(module(images), load_member(folder)(images))
    if not equal:
        raise RunError(
            f"the member loaded from {folder} and the one saved there differ in their outputs: run the demo again"
        )
    return equal


def _budget(member: Member) -> float:
    """Return the latency of `member` (ms), rounded up, so that the member itself is within."""
    return math.ceil(100 * (member.promised_ms or member.latency_ms)) / 100


def _lines(member: Member, folder: Path, paths: dict[str, str], seconds: float) -> list[str]:
    cost = f"{member.latency_ms:.3g} ms according to the cost table, {member.parameters:,} parameters"
    return [
        f"one member, chosen for the middle of the latency range: {cost}",
        f"saved in {folder} and reloaded: outputs are identical",
        f"page: {paths['page']}",
        f"picture: {paths['picture']}",
        f"finished in {seconds:.0f} s; next: archdial pick {folder.parent} --latency-ms {_budget(member)}",
    ]
