"""A family's refinement as stored: claims in the JSON file, their predictor with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from archdial.common.errors import UsageError
from archdial.families.refined import Claim, Refinement
from archdial.families.refined_file import ClaimRow, RefinedFile
from archdial.families.stored_network import load_state
from archdial.networks.supernet import Supernet
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import Measure


def refined_json(refinement: Refinement | None) -> dict[str, Any]:
    """Return what files of families that were not refined do not have."""
    if refinement is None:
        return {}
    claims = [[list(c.architecture.options), c.score, c.name] for c in refinement.claims]
    tau = {"before": refinement.tau_before, "after": refinement.tau_after}
    told = {"weights": refinement.weights, "epochs": refinement.epochs, "seed": refinement.seed}
    return {"refined": {**told, "tau": tau, "claims": claims}}


def stored_refinement(
    file: RefinedFile | None,
    network: Supernet,
    measure: Measure,
    archive: Sequence[Evaluated],
    tensors: dict[str, Tensor],
) -> Refinement | None:
    """Return the refinement that the files of a family hold, if it was refined.

    Args:
        tensors: those of the predictor of scores after training.

    Raises:
        UsageError: something in it does not fit the network, the measure or what was evaluated.
    """
    if file is None:
        if tensors:
            raise UsageError(
                "its weights contain a refinement that family.json does not mention: restore a copy of both"
            )
        return None
    claims = tuple(_claim(network, measure, row) for row in file.claims)
    _check_claims(claims, archive)
    predictor = ErrorPredictor(network.space, measure)
    load_state(predictor, tensors, "predictor of scores after training")
    return Refinement(claims, predictor, file.weights, file.epochs, file.seed, file.tau.before, file.tau.after)


def _claim(network: Supernet, measure: Measure, row: ClaimRow) -> Claim:
    options, score, name = row
    architecture = Architecture(options)
    network.space.check(architecture)
    return Claim(architecture, measure.checked(score), name, measure)


def _check_claims(claims: Sequence[Claim], archive: Sequence[Evaluated]) -> None:
    """Raise UsageError unless there is one claim for each architecture of `archive`; others are of trained members."""
    claimed = {claim.architecture for claim in claims}
    known = {item.architecture for item in archive}
    if len(claimed) < len(claims) or known - claimed:
        raise UsageError("its refinement lists an architecture twice, or omits one that was evaluated: restore a copy")
    if any(not claim.name and claim.architecture not in known for claim in claims):
        raise UsageError("its refinement lists an architecture that was neither trained nor evaluated: restore a copy")
