"""Before a search: the first batch goes through network, loss and score, and a trained network is scored."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from archdial.common.errors import LittleToSave, NearChance, UsageError
from archdial.data import SearchData, Seen
from archdial.networks.eval_mode import in_eval_mode
from archdial.networks.example import flat
from archdial.networks.graph.choices.listing import LITTLE
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import Supernet
from archdial.searching.evaluation import Evaluated
from archdial.searching.state import SearchState
from archdial.space import Architecture
from archdial.tasks.task import Task
from archdial.training.told_batches import told_batch

_NEAR = 0.1
"""Of the way from chance to the best score: a trained network that is no further was fed with something else."""


def first_look(state: SearchState) -> Evaluated | None:
    """Return the score of a network that was trained before, on validation data; None of cells.

    Raises:
        UsageError: it is no number.
    """
    if not isinstance(state.network, Pretrained):
        return None
    _tell_of_little(state)
    whole = state.evaluator(state.network.whole)
    if not torch.isfinite(torch.tensor([whole.score, whole.loss])).all():
        raise UsageError(
            f"the untouched network has a {whole.measure.name} of {whole.score} and a loss of {whole.loss}: check "
            "its weights and the data for NaN or infinity"
        )
    chance = state.task.chance
    if chance is None:
        chance = state.task.chance_with(_some_outputs(state, state.network.whole))
    if chance is not None and _near(whole, chance):
        measure = whole.measure
        warnings.warn(
            f"{measure.name} of the untouched network is {measure.text(whole.score)} {measure.unit}".rstrip()
            + f" on validation data, and guessing gives {measure.text(chance)}: were these data prepared like those it "
            "was trained on? Likely causes are another normalisation, class order or channel order",
            NearChance,
            stacklevel=3,
        )
    return whole


def _tell_of_little(state: SearchState) -> None:
    """Warn where the cheapest member costs nearly what the untouched network does."""
    share = min(cost.lowest / cost.highest if cost.highest > 0 else 1.0 for cost in state.cost.each)
    if share > 1 - LITTLE:
        warnings.warn(
            f"the cheapest member still has {share:.0%} of the whole network's {state.settings.cost}, which "
            "leaves little to search for: archdial.choices(model, example, width=(1, 0.75, 0.5, 0.25)), or "
            "network.widths in a recipe, can also remove channels, heads and hidden units",
            LittleToSave,
            stacklevel=4,
        )


@torch.no_grad()
def _some_outputs(state: SearchState, whole: Architecture) -> Any:
    network = state.network
    inputs, _ = next(iter(state.evaluator.examples))
    weights = network.space.one_hot(whole).to(flat(inputs)[0].device)
    with in_eval_mode(network):
        return network(inputs, weights)


def _near(whole: Evaluated, chance: float) -> bool:
    measure = whole.measure
    return measure.error(whole.score) > (1 - _NEAR) * measure.error(chance)


def check_batches(network: Supernet, data: Seen, task: Task, device: torch.device) -> None:
    """Take the first batch of each split through everything that a step does with one; images in memory all fit.

    Raises:
        UsageError: the data, the network and the task do not go together.
    """
    if isinstance(data, SearchData):
        return
    for name, split in (("train", data.weights), ("validation", data.validation)):
        batch = next(split.in_order(2, None), None)
        if batch is None:
            raise UsageError(f"the {name} data yield no batches: expected at least one")
        with told_batch(batch, f"the first batch of the {name} data"):
            _judge(network, task, task.inputs(batch, device), batch)


@torch.no_grad()
def _judge(network: Supernet, task: Task, inputs: Any, batch: object) -> None:
    weights = network.space.one_hot(network.space.random(torch.Generator().manual_seed(0)))
    network.eval()
    outputs = network(inputs, weights.to(flat(inputs)[0].device))
    task.loss(outputs, batch)
    # Of one example some scores have no value yet, as R².
    task.score().add(outputs, batch)
