"""A refined family's claims: scores after training, extended from some trained members to all others."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch

from archdial.families.member import AfterTraining, Origin
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import Measure

Start = Literal["retrained", "finetuned"]
"""From new weights, or on from inherited ones."""


@dataclass(frozen=True)
class Claim:
    """What an architecture scores on validation data after training alone.

    Attributes:
        score: measured where it was trained, else foretold: the mean of what the trained members leave possible.
        name: of the trained member, empty where it was not trained.
    """

    architecture: Architecture
    score: float
    name: str
    measure: Measure = field(repr=False, compare=False)

    @property
    def error(self) -> float:
        """How far its score is from the best."""
        return self.measure.error(self.score)

    @property
    def merit(self) -> float:
        """Its score such that higher is better."""
        return self.measure.merit(self.score)


@dataclass(frozen=True, eq=False)
class Refinement:
    """The claims of a family after some of its members were trained alone.

    Attributes:
        claims: of what was trained, then of all else that was evaluated with inherited weights.
        predictor: of the errors after training, fitted to the claims.
        weights: what the members were trained from.
        epochs: of each training.
        tau_before: Kendall's τ between the order by inherited scores and that after training, over the trained members;
            None where one of them is flat.
        tau_after: the same of the corrected order, each member left out of what foretells it.
    """

    claims: tuple[Claim, ...]
    predictor: ErrorPredictor
    weights: Start
    epochs: int
    seed: int
    tau_before: float | None
    tau_after: float | None

    @property
    def trained(self) -> tuple[Claim, ...]:
        """The members that were trained."""
        return tuple(claim for claim in self.claims if claim.name)

    @cached_property
    def _by_architecture(self) -> dict[Architecture, Claim]:
        return {claim.architecture: claim for claim in self.claims}

    def after_training(self, architecture: Architecture) -> AfterTraining:
        """Return what `architecture` scores after training alone: as claimed, or of one not evaluated as predicted."""
        claim = self._by_architecture.get(architecture)
        if claim is not None:
            origin: Origin = "measured" if claim.name else "predicted"
            return AfterTraining(claim.score, origin, self.weights, self.epochs, claim.name or None)
        with torch.no_grad():
            error = float(self.predictor(self.predictor.space.one_hots([architecture])))
        return AfterTraining(self.claims[0].measure.score(error), "predicted", self.weights, self.epochs)
