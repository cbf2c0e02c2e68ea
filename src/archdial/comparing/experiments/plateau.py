"""The score along λ: architectures optimised for each λ separately, and one hypernetwork for all."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from archdial.common.progress import Bar, NoBar
from archdial.comparing.measured import evaluator_of
from archdial.data import Seen
from archdial.dial import Scalar, Tradeoff
from archdial.dial.range import penalty_range
from archdial.families.family import Family
from archdial.families.searched import search
from archdial.searching.settings import SearchSettings
from archdial.tasks.measure import Measure

AROUND = 10.0
"""How far beyond the range of the dial, on both sides: the plateau and the fall lie there."""

RATE = 0.05
"""Learning rate of Adam for logits that one λ has to itself: they begin at equal options, and epochs are few."""

TOGETHER = {"kind": "piecewise_linear", "pivots": 8}
"""The hypernetwork over a range. One that shares weights between all λ follows the largest; what closed stays so."""

STEPS = 100
"""Steps at least for each λ, whatever the epochs: small data have few batches."""

NEAR = 0.05
"""Score above the bottom that counts as fallen to it; of what is no share, this part of what was lost."""


@dataclass(frozen=True)
class Point:
    """What a λ was answered with: score on validation images, milliseconds by the table."""

    penalty: float
    score: float
    latency_ms: float
    measure: Measure

    def to_json(self) -> dict[str, float]:
        """Return the point as an object of experiments.json."""
        return {"lambda": self.penalty, self.measure.name: self.score, "latency_ms": self.latency_ms}


def penalties(family: Family, count: int) -> list[float]:
    """Return `count` λ, evenly spaced in log λ, from ten times below where anything changes to ten times above Λ.

    λ competes with cross-entropy here, as in the paper, and not with errors as in the predictor method.
    """
    fraction = family.costs[family.column].fraction(family.space.one_hots(item.architecture for item in family.archive))
    low, high = penalty_range(Tradeoff(torch.tensor([item.loss for item in family.archive]), fraction))
    return torch.logspace(math.log10(low / AROUND), math.log10(high * AROUND), count).tolist()


def alone(
    family: Family,
    data: Seen,
    settings: SearchSettings,
    values: Sequence[float],
    *,
    epochs: int,
    seed: int = 0,
    bar: Bar | NoBar | None = None,
) -> list[Point]:
    """Return for each of `values` what gates optimised for it alone answer; weights stay as they are.

    Args:
        data: the validation images are what the gates descend on.
        settings: of the search; what concerns weights is not used.
        epochs: over the validation images for each λ, more where that is less than 100 steps.
    """
    part, points = (bar or NoBar()).part("each λ alone", len(values)), []
    for value in values:
        # The dial of one λ: a range that is too short to matter.
        dial = Scalar(value, value * (1 + 1e-6))
        points += _answers(
            family,
            data,
            _told(settings, _enough(data, settings, epochs, STEPS), {"kind": "constant"}),
            dial,
            [value],
            seed,
        )
        part.advance()
    return points


def together(
    family: Family,
    data: Seen,
    settings: SearchSettings,
    values: Sequence[float],
    *,
    epochs: int,
    seed: int = 0,
) -> list[Point]:
    """Return for each of `values`, in increasing order, what one hypernetwork over their range answers.

    It is piecewise linear in log λ, and sees four times the images that gates for one λ see, or more where `epochs`
    asks for it.
    """
    told = _told(settings, _enough(data, settings, epochs, 4 * STEPS), TOGETHER)
    return _answers(family, data, told, Scalar(values[0], values[-1]), values, seed)


def fall(points: Sequence[Point], chance: float | None) -> float | None:
    """Return Λ: the least λ from which on the score stays at the bottom; None where there is no fall.

    The bottom is chance, or what the cheapest network still knows where that is more. Less than half of what lies
    between the plateau and chance must be left.

    Args:
        chance: the score of guessing; None where nobody knows it: the bottom is then the least that was reached.
    """
    along = sorted(points, key=lambda point: point.penalty)
    measure, merits = along[0].measure, [point.measure.merit(point.score) for point in along]
    least = min(merits) if chance is None else measure.merit(chance)
    bottom = max(least, min(merits))
    if bottom - least >= (merits[0] - least) / 2:
        return None
    near = NEAR if measure.share else NEAR * (max(merits) - bottom)
    found = None
    for point, merit in zip(reversed(along), reversed(merits), strict=True):
        if merit > bottom + near:
            break
        found = point.penalty
    return found


def _enough(data: Seen, settings: SearchSettings, epochs: int, steps: int) -> int:
    each = data.validation.count(settings.batch_size)
    return max(epochs, math.ceil(steps / each))


def _told(settings: SearchSettings, epochs: int, hypernet: dict[str, Any]) -> SearchSettings:
    # Two samples, the cheapest and the most expensive: their difference scales the objective. No entropy: of a trained
    # network it opens the way to chance, from where nothing leads back.
    return replace(
        settings,
        method="two_stage",
        turns=0,
        dial_epochs=epochs,
        hypernet=hypernet,
        hypernet_rate=RATE,
        entropy=0.0,
        sample=2,
        evaluations=3,
    )


def _answers(
    family: Family, data: Seen, settings: SearchSettings, dial: Scalar, values: Sequence[float], seed: int
) -> list[Point]:
    network = copy.deepcopy(family.network)
    task = family.own_task
    found = search(network, data, family.table, dial, settings, seed=seed, weights_from=family, task=task)
    evaluate = evaluator_of(found, data, settings.evaluation_images)
    members = [found.at(value) for value in values]
    scores = {a: evaluate(a).score for a in dict.fromkeys(member.architecture for member in members)}
    return [Point(v, scores[m.architecture], m.latency_ms, m.measure) for v, m in zip(values, members, strict=True)]
