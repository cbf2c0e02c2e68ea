"""One search per λ: what a dial replaces."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch

from archdial.comparing.baselines.baseline import Judge, Search, full_architecture
from archdial.data import BatchData, Images, SearchData, Seen
from archdial.data.loaders import LoaderSplit
from archdial.dial import Scalar
from archdial.families.family import Family
from archdial.families.redialling import redial
from archdial.searching.loop import Loop
from archdial.searching.method_settings import STEPS
from archdial.searching.settings import SearchSettings
from archdial.searching.state import begin

SEARCHES = 8
"""λ, evenly in log λ over the range of the dial."""

FEWEST = 4
"""Evaluations below which there is no search."""

WIDTH = 1.001
"""The range of a dial that has one position: its ends must differ."""


class Single(Search):
    """Searches for one λ each, by a hypernetwork that is constant, through the same loop; the budget is shared out.

    Each is the `predictor` method with frozen weights: a sample, then predictor and logits in turn.
    """

    name: ClassVar[str] = "single"

    def __init__(self, searches: int = SEARCHES, dial_steps: int = STEPS) -> None:
        """Run `searches` searches, one λ each, with `dial_steps` steps per fit of the logits to the predictor."""
        self.searches, self.dial_steps = searches, dial_steps

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Search for each λ with its share of the budget; what an earlier one evaluated costs nothing again."""
        # The λ of other dials, which derive from it, weigh something else.
        dial = family.dial if type(family.dial) is Scalar else redial(family, Scalar()).dial
        count = min(self.searches, judge.left // FEWEST)
        for number, position in enumerate(dial.grid(count)):
            seed = int(torch.randint(2**31, (), generator=generator))
            self._search_one(family, judge, float(position), judge.left // (count - number), seed)
        if not judge.seen:
            judge(full_architecture(family))

    def _search_one(self, family: Family, judge: Judge, position: float, share: int, seed: int) -> None:
        settings = SearchSettings(
            method="predictor",
            hypernet={"kind": "constant"},
            dial_steps=self.dial_steps,
            evaluations=share,
            sample=max(2, share * 2 // 5),
            cost=family.column,
            regime="frozen",
        )
        network = copy.deepcopy(family.network)
        dial = Scalar(position, position * WIDTH)
        state = begin(network, _data(family), family.table, dial, settings, seed, task=family.own_task)
        state.frozen, state.judge = True, judge
        Loop(state).run()


def _data(family: Family) -> Seen:
    """Return what a search wants to see, though with frozen weights and a judge it looks at none of it."""
    if family.normalize is None or not isinstance(family.calibration, torch.Tensor):
        nothing = LoaderSplit([()])
        return BatchData("the family's", nothing, nothing)
    images = Images(family.calibration, torch.zeros(len(family.calibration), dtype=torch.int64))
    return SearchData("the family's", family.classes, images, images, family.normalize.mean, family.normalize.std)
