"""Starting new runs and resuming existing ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archdial.common.errors import UsageError
from archdial.cost.table import machine
from archdial.runs.folder import CONFIG, Run, check_free, difference, read_run
from archdial.runs.recipe import Recipe, absolute


def new_run(
    folder: Path,
    recipe: Recipe,
    *,
    data: str | None = None,
    epochs: int | None = None,
    weights: Path | None = None,
    model: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    demo: bool = False,
    trust: bool = False,
) -> Run:
    """Return a run that is yet to begin; nothing is written.

    Raises:
        UsageError: the folder cannot be its own, or recipe, epochs and device do not go together.
    """
    check_free(folder)
    machine.device(device)
    chosen = recipe.changed(data=data, epochs=epochs, weights=weights, model=model)
    chosen.network.check_ready()
    return Run(folder, chosen, seed, device, epochs, demo, trust, model=model, data=data)


def resumed_run(
    folder: Path,
    recipe: Recipe,
    *,
    data: str | None = None,
    epochs: int | None = None,
    weights: Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    trust: bool = False,
) -> Run:
    """Return the run in `folder`, to go on with it; what the call leaves open is as it was.

    Raises:
        UsageError: there is no run, or it was begun with another recipe, seed, data or epochs.
    """
    if not (folder / CONFIG).exists():
        raise UsageError(f"no run to resume in {folder}: omit --resume to start one there")
    run = read_run(folder)
    stored = run.recipe.to_json()
    epochs = run.epochs if epochs is None else epochs
    # A relative path in a recipe means another folder elsewhere; what counts is where images and table came from.
    weights = weights or run.recipe.network.stored_weights
    asked = replace(
        recipe.changed(epochs=epochs, weights=weights, model=model),
        data=run.recipe.data if data is None else absolute(data),
        table=run.recipe.table,
        tables=run.recipe.tables,
    ).to_json()
    asked_all = {**asked, "seed": run.seed if seed is None else seed}
    if found := difference({**stored, "seed": run.seed}, asked_all):
        raise UsageError(
            f"the run in {folder} was started with {found}: resume it with the same recipe and options, "
            "or choose another --out"
        )
    device = device or run.device
    machine.device(device)
    return replace(run, device=device, trust=trust, model=model, data=data)
