"""archdial train: train the network that will be pruned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdial.cli.app import app
from archdial.cli.following import command, resumed_by
from archdial.cli.new_files import check_new_files
from archdial.cli.options import Data, Device, Epochs, Json, Model, RecipeArgument, Resume, Seed, Trust
from archdial.cli.output import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archdial.runs.network_settings import GateSettings
    from archdial.tasks.measure import Measure


@app.command(epilog="Example: archdial train resnet18_quarter_cifar10 --data data/cifar10 --out resnet.safetensors")
def train(
    context: typer.Context,
    recipe: RecipeArgument,
    out: Annotated[Path, typer.Option(help="Output file for the weights (.safetensors).")],
    data: Data = None,
    epochs: Epochs = None,
    seed: Seed = None,
    device: Device = None,
    model: Model = None,
    trust: Trust = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train a recipe's network before it is pruned.

    Uses the images reserved for the weights and reports accuracy on validation and test images. Training can be
    interrupted: until it finishes, FILE.checkpoint.pt next to the weights holds its state, and --resume continues.
    """
    from archdial.common.files import write_atomically
    from archdial.common.progress import Bar
    from archdial.comparing.measured import score
    from archdial.cost.table.machine import device as known
    from archdial.networks.graph.source import save_weights
    from archdial.runs.recipe import load_recipe
    from archdial.runs.run_data import parted_data
    from archdial.training import plain_network as training
    from archdial.training.checkpoint import remove_checkpoint

    checkpoint = out.with_name(f"{out.name}.checkpoint.pt")
    _check_file(out, checkpoint, resume)
    known(device or "cpu")
    chosen = load_recipe(recipe).changed(data=data, model=model)
    settings = chosen.train if epochs is None else replace(chosen.train, epochs=epochs)
    network = _gated(chosen.network)
    found = parted_data(chosen, seed or 0, trust=trust or data is not None)
    trained = training.restart(network.model_for(found.whole, trust=trust or model is not None), seed or 0)
    with resumed_by(context), Bar() as bar:
        bar.say(found.whole.summary)
        training.train(
            trained,
            found.seen.weights,
            found.task,
            settings,
            seed=seed or 0,
            device=device or "cpu",
            checkpoint=checkpoint,
            resume=resume,
            bar=bar,
        )
    write_atomically(out, lambda temporary: save_weights(trained, temporary))
    remove_checkpoint(checkpoint)
    measure = found.task.measure
    figures = {name: score(trained, part, found.task) for name, part in found.judging.items()}
    value = {"weights": str(out), measure.name: figures, "epochs": settings.epochs, "seed": seed or 0}
    told = _told(figures, measure)
    lines = f"{told}; weights saved in {out}; next: archdial search {recipe} --weights {out}"
    then = command("search", recipe, data=data, weights=out, model=model, trust=trust)
    show(value, lines, as_json=json, then=then)


def _told(figures: Mapping[str, float], measure: Measure) -> str:
    from archdial.report.wording import score_text

    return ", ".join(f"{score_text(value, measure)} on {name}" for name, value in figures.items())


def _gated(network: object) -> GateSettings:
    from archdial.common.errors import UsageError
    from archdial.runs.network_settings import GateSettings

    if not isinstance(network, GateSettings):
        raise UsageError(
            "this recipe searches cells from scratch, and its search trains the weights: skip `archdial train`"
        )
    return network


def _check_file(path: Path, checkpoint: Path, resume: bool) -> None:
    from archdial.common.errors import UsageError

    if path.suffix != ".safetensors":
        raise UsageError(f"--out {path}: weights are saved as safetensors; use a name ending in .safetensors")
    check_new_files((path,))
    if resume and not checkpoint.exists():
        raise UsageError(f"no training to resume at {checkpoint}: omit --resume to start one")
    if checkpoint.exists() and not resume:
        raise UsageError(f"{checkpoint} belongs to an interrupted training: continue it with --resume, or delete it")
