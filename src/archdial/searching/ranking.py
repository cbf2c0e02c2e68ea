"""Sorting the units of a network by importance before a search: of each width the most important ones stay."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.importance import IMPORTANCES, Example
from archdial.networks.graph.importance.ranking import rank_units
from archdial.searching.evaluation import EVALUATED
from archdial.searching.state import SearchState

UNSORTED = "none"


def rank(state: SearchState) -> None:
    """Sort the units of a network that has widths, on the first training examples; others are left as they are."""
    network, kind = state.network, state.settings.importance
    if isinstance(network, GatedNetwork) and kind != UNSORTED:
        rank_units(network, IMPORTANCES[kind](), _examples(state))


def _examples(state: SearchState) -> Iterator[Example]:
    for batch in state.data.weights.in_order(EVALUATED, state.settings.calibration_images):
        yield state.inputs(batch), partial(state.task.loss, batch=batch)
