"""archdial finetune: continue training a member, or retrain it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdial.cli.app import app
from archdial.cli.following import again, export_next, resumed_by
from archdial.cli.options import (
    At,
    Confidence,
    Data,
    Device,
    Epochs,
    Flops,
    Json,
    LatencyMs,
    Measured,
    MemberFolder,
    Model,
    On,
    Params,
    PeakBytes,
    Resume,
    RunArgument,
    Seed,
    SizeBytes,
    Trust,
)
from archdial.cli.output import show
from archdial.cli.picking import CHECKPOINT, Pick, new_folder, picked

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table
    from torch import nn

    from archdial.data.split import Split
    from archdial.families.family import Family
    from archdial.families.member import Member, Weights
    from archdial.tasks.measure import Measure


@app.command(epilog="Example: archdial finetune runs/digits --at 0.1 --epochs 3 --out member")
def finetune(
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
    epochs: Epochs = None,
    scratch: Annotated[bool, typer.Option("--scratch", help="Train from new random weights instead.")] = False,
    distil: Annotated[
        bool | None,
        typer.Option(help="Also distil from the whole network.", show_default="--distil if the search used gates"),
    ] = None,
    out: MemberFolder = None,
    data: Data = None,
    seed: Seed = None,
    device: Device = None,
    model: Model = None,
    trust: Trust = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Continue training a member, or retrain it.

    Uses the images reserved for the weights and reports accuracy on validation and test images before and after. If the
    search used gates, the whole network is the teacher. With --out, training can be interrupted and resumed.
    """
    from archdial.common.progress import Bar
    from archdial.cost.table.machine import device as known
    from archdial.runs.opening import open_family
    from archdial.runs.run_data import finished_run
    from archdial.training.plain_network import restart, train

    asked = Pick(at, on, latency_ms, params, flops, size_bytes, peak_bytes, confidence, measure)
    with new_folder(out, "archdial finetune", resume=resume):
        known(device or "cpu")
        family = open_family(run, model, trust=trust)
        member = picked(family, asked)
        teacher = _teacher(family, distil)
        finished = finished_run(run, family, data, on, trust=trust)
        family, found = finished.family, finished.data
        member = replace(member, family=family)
        settings = finished.run.recipe.training(scratch=scratch, epochs=epochs)
        module = member.build(merge=False)
        before = _scores(module, found.judging, family)
        start = restart(module, seed or 0) if scratch else module
        with resumed_by(context), Bar() as bar:
            trained = train(
                start,
                found.seen.weights,
                family.task,
                settings,
                seed=seed or 0,
                device=device or "cpu",
                teacher=teacher,
                checkpoint=None if out is None else out / CHECKPOINT,
                resume=resume,
                bar=bar,
            )
        trained = member.merged(trained)
        after = _scores(trained, found.judging, family)
        result = _judged(member, after, scratch)
        if out is not None:
            _save(result, out, trained)
    told = {"before": before, "after": after, "epochs": settings.epochs, "distilled": teacher is not None}
    saving = again(context, "--out", f"{run}-finetuned")
    then = saving if out is None else export_next(out, model=model, trust=trust)
    _show(result, told, out, json, then)


def _save(member: Member, folder: Path, module: nn.Module) -> None:
    from archdial.families.storage import save_member
    from archdial.training.checkpoint import remove_checkpoint

    save_member(member, folder, module)
    remove_checkpoint(folder / CHECKPOINT)


def _judged(member: Member, scores: dict[str, float], scratch: bool) -> Member:
    how: Weights = "retrained" if scratch else "finetuned"
    # The last is that of the test split, where there is one.
    split, score = list(scores.items())[-1]
    # The cheaper alternative was as good before training; nothing is known of it now.
    return replace(member, score=score, score_from="measured", score_split=split, weights_from=how, cheaper=None)


def _show(member: Member, told: dict[str, Any], out: Path | None, as_json: bool, then: str) -> None:
    value = {**member.to_json(), **told, "folder": None if out is None else str(out)}
    lines = [] if out is None else [f"member saved in {out}"]
    table = _comparison(
        told["before"], told["after"], member.measure, f"{member.weights_from}, {told['epochs']} epochs"
    )
    show(value, table, *lines, as_json=as_json, then=then)


def _teacher(family: Family, distil: bool | None) -> nn.Module | None:
    from archdial.common.errors import UsageError
    from archdial.networks.pretrained import Pretrained

    if isinstance(family.network, Pretrained):
        return None if distil is False else family.network.untouched()
    if distil:
        raise UsageError("--distil: cells are searched from scratch, there is no whole network to distil from; omit it")
    return None


def _scores(module: nn.Module, parts: dict[str, Split], family: Family) -> dict[str, float]:
    from archdial.comparing.measured import score

    return {split: score(module, images, family.task) for split, images in parts.items()}


def _comparison(before: dict[str, float], after: dict[str, float], measure: Measure, how: str) -> Table:
    from rich.table import Table

    table = Table(title=f"{measure.heading} with inherited weights and after training")
    table.add_column("weights")
    rows: list[Any] = [("inherited", before), (how, after)]
    for split in before:
        table.add_column(split, justify="right")
    for name, figures in rows:
        table.add_row(name, *map(measure.text, figures.values()))
    return table
