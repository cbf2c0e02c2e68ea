"""From trained members to a refined family: claims for everything evaluated, their predictor, and a new dial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.metrics import kendall_tau
from archdial.common.versions import versions
from archdial.families.family import Family
from archdial.families.redialling import redial
from archdial.families.refined import Claim, Refinement, Start
from archdial.refining.correction import Correction, left_out
from archdial.refining.features import Features, features_of
from archdial.searching.candidates import unseen
from archdial.searching.predictor import FLOOR, TINY, ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import Measure

_MARGIN = 0.05


@dataclass(frozen=True)
class Trained:
    """A member that was trained individually.

    Attributes:
        score: score on validation data.
        name: name of its files.
    """

    architecture: Architecture
    score: float
    name: str


@dataclass(frozen=True)
class Ranked:
    """Where trained members stand, in the order in which they were given.

    Attributes:
        before: scores (n,) that the family claimed without any of them trained: with inherited weights.
        foretold: scores (n,) after training as the others foretell them, each left out; None of fewer than three.
        trained: scores (n,) after training.
        tau_before: Kendall's τ of `before` with `trained`; None where one of them is flat.
        tau_after: the same of `foretold`.
    """

    before: tuple[float, ...]
    foretold: tuple[float, ...] | None
    trained: tuple[float, ...]
    tau_before: float | None
    tau_after: float | None


def refined(family: Family, trained: Sequence[Trained], weights: Start, epochs: int, *, seed: int = 0) -> Family:
    """Return `family` with its ranking corrected by trained members; `family` itself and its weights are not modified.

    Trained members claim their measured score, all other evaluated architectures one predicted from inherited merit,
    cost and operations (see `Correction`). A predictor is fitted to the claims, and the dial is retrained on both in
    seconds. The claims of an earlier refinement are dropped; pass its members too if they were trained alike.

    Args:
        trained: at least one, no architecture twice.
        weights: what the trainings started from, and `epochs` their length; recorded in the family.

    Raises:
        UsageError: there are none, one appears twice, or an architecture belongs to another space.
    """
    trained = _distinct(family, trained)
    told = ranked(family, trained)
    claims, doubt = _claims(family, trained)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    predictor = ErrorPredictor(family.space, family.task.measure)
    predictor.fit(claims, generator)
    predictor.keep_doubt(doubt)
    refinement = Refinement(claims, predictor, weights, epochs, seed, told.tau_before, told.tau_after)
    info = {**family.info, "refined": _info(refinement)}
    return redial(replace(family, refinement=refinement, info=info), seed=seed)


def _distinct(family: Family, trained: Sequence[Trained]) -> list[Trained]:
    """Return `trained` by the architectures that run."""
    if not trained:
        raise UsageError("no trained members: expected at least one")
    for member in trained:
        family.space.check(member.architecture)
    found = [replace(member, architecture=family.network.canonical(member.architecture)) for member in trained]
    if len({member.architecture for member in found}) < len(found):
        raise UsageError(f"{len(found)} trained members, two of which are the same network: pass each once")
    return found


def _info(refinement: Refinement) -> dict[str, Any]:
    """Return what the info of a family says of how it was refined."""
    trained = {claim.name: claim.score for claim in refinement.trained}
    tau = {"before": refinement.tau_before, "after": refinement.tau_after}
    how = {"weights": refinement.weights, "epochs": refinement.epochs, "seed": refinement.seed}
    return {**how, "split": "validation", "trained": trained, "tau": tau, "versions": versions()}


def ranked(family: Family, trained: Sequence[Trained]) -> Ranked:
    """Return where `trained` members stood before they were trained, and where after."""
    measure = family.task.measure
    known = [family.member(member.architecture).score for member in trained]
    after, logs = [member.score for member in trained], Logs.around(measure, [member.score for member in trained])
    merits = -logs.of(torch.tensor(after, dtype=torch.float64))
    foretold = None
    if len(trained) > 2:
        features = _all_features(family, trained)[0].at(range(len(trained)))
        foretold = logs.scores(-left_out(features, merits))
    return Ranked(
        before=tuple(known),
        foretold=None if foretold is None else tuple(foretold),
        trained=tuple(after),
        tau_before=_tau(known, after),
        tau_after=None if foretold is None else _tau(foretold, after),
    )


@dataclass(frozen=True)
class Logs:
    """Logarithms of errors, as the predictor counts them: above `beyond`, which lies below the least of all."""

    measure: Measure
    beyond: float
    least: float

    @classmethod
    def around(cls, measure: Measure, scores: Sequence[float]) -> Logs:
        """Return logarithms for these scores and others like them."""
        errors = [measure.error(score) for score in scores]
        low, high = min(errors), max(errors)
        beyond = low - max(high - low, _MARGIN * abs(low), TINY) if low < 0 and not measure.share else 0.0
        return cls(measure, beyond, FLOOR if measure.share else TINY)

    def of(self, scores: Tensor) -> Tensor:
        """Return the logarithm (n,) of the error of scores (n,)."""
        return (self.measure.error(scores) - self.beyond).clamp_min(self.least).log()

    def scores(self, logs: Tensor) -> list[float]:
        """Return the scores of logarithms (n,)."""
        most = 1.0 if self.measure.share else math.inf
        errors = (logs.exp() + self.beyond).clamp(max=most)
        return [float(self.measure.score(error)) for error in errors]


def _claims(family: Family, trained: Sequence[Trained]) -> tuple[tuple[Claim, ...], float]:
    """Return the claims, and by how much foretold logarithms of errors are off, half of them."""
    measure = family.task.measure
    logs = Logs.around(measure, [member.score for member in trained])
    features, others = _all_features(family, trained)
    merits = -logs.of(torch.tensor([member.score for member in trained], dtype=torch.float64))
    count = len(trained)
    learnt = Correction(features.at(range(count)), merits)
    own = [Claim(one.architecture, one.score, one.name, measure) for one in trained]
    if not others:
        return tuple(own), 0.0
    expected, spread = learnt(features.at(range(count, count + len(others))))
    foretold = [Claim(a, score, "", measure) for a, score in zip(others, logs.scores(-expected), strict=True)]
    return (*own, *foretold), float(spread.median())


def _all_features(family: Family, trained: Sequence[Trained]) -> tuple[Features, list[Architecture]]:
    """Return the features of what was trained, then of what else was evaluated, and which these are."""
    own = [member.architecture for member in trained]
    others = unseen((item.architecture for item in family.archive), own)
    return features_of(family, [*own, *others]), others


def _tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    found = kendall_tau(one, other) if len(one) > 1 else math.nan
    # A quotient of roots may end beside 1 by its last bit, which no file takes for a τ.
    return max(-1.0, min(found, 1.0)) if math.isfinite(found) else None
