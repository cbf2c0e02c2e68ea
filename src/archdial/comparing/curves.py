"""A family against baselines on its own supernet: score over measured latency, and the area under each curve."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from archdial.common.metrics import area_under_curve, best_within, hypervolume
from archdial.common.progress import Bar, NoBar
from archdial.comparing.baselines import Baseline, Case, Judge, School
from archdial.comparing.baselines.baseline import front_of, full_architecture
from archdial.comparing.measured import measured
from archdial.data.split import Split
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.networks.statistics import restore, statistics_of
from archdial.searching.evaluation import Evaluator
from archdial.tasks.measure import Measure

FAMILY = "hypernetwork"
"""What the family itself is called in a comparison."""

SHARES = (0.25, 0.5, 0.75)
"""Of the full network's latency: the budgets at which the score of each method is told."""


@dataclass(frozen=True)
class Found:
    """What one method found: its front on validation images.

    Attributes:
        evaluations: how many architectures it had evaluated for that.
        chosen: by the score on validation images; else `front` is all that it saw, cheapest first.
        seconds: that it took; None where that was not seen, as of the search of the family itself.
    """

    name: str
    evaluations: int
    front: tuple[Member, ...]
    chosen: bool = True
    seconds: float | None = None


@dataclass(frozen=True)
class Curve:
    """A method's members, their score on the split of the comparison and their latency measured.

    Attributes:
        validation: scores (n,) by which the best within a budget is chosen.
        area: mean of what the chosen score is worth over budgets from 0 to the latency of the full network.
        hypervolume: of (latency, worth), reference point the latency of the full network and nothing, as a share of
            that box.
        within: the chosen score by budget, as a share of the latency of the full network; None where nothing fits.
    """

    found: Found
    members: tuple[Member, ...]
    validation: tuple[float, ...]
    area: float
    hypervolume: float
    within: Mapping[float, float | None]
    measure: Measure

    def to_json(self) -> dict[str, Any]:
        """Return the curve as an object of comparison.json."""
        name = self.measure.name
        return {
            "name": self.found.name,
            "evaluations": self.found.evaluations,
            "chosen_by": f"validation_{name}" if self.found.chosen else "latency_ms",
            "area": self.area,
            "hypervolume": self.hypervolume,
            f"{name}_within": [{"share": share, name: value} for share, value in self.within.items()],
            "seconds": self.found.seconds,
            "members": [
                {**member.to_json(), f"validation_{name}": score}
                for member, score in zip(self.members, self.validation, strict=True)
            ],
        }


@dataclass(frozen=True)
class Comparison:
    """The full network, and the curve of each method.

    Attributes:
        worst: the score that is worth nothing.
    """

    full: Member
    curves: tuple[Curve, ...]
    worst: float = 0.0


def search_baselines(
    family: Family,
    evaluator: Evaluator,
    baselines: Mapping[str, Baseline],
    *,
    budget: int,
    seed: int = 0,
    school: School | None = None,
    bar: Bar | NoBar | None = None,
) -> list[Found]:
    """Return what the family's search found, and what each baseline found with at most `budget` evaluations.

    Args:
        evaluator: the one that the search used.
        school: training settings and data for baselines that train; required by these.
    """
    bar, before = bar or NoBar(), statistics_of(family.network)
    results = [Found(FAMILY, len(family.archive), tuple(front_of(family, family.archive)))]
    for name, baseline in baselines.items():
        advance = (lambda: None) if baseline.trains else bar.part(name, budget).advance
        case = Case(family, Judge(evaluator, budget, advance), torch.Generator().manual_seed(seed), school)
        began = time.perf_counter()
        members, seconds = tuple(baseline.members(case)), time.perf_counter() - began
        evaluations = len(members) if baseline.trains else len(case.judge.seen)
        results.append(Found(name, evaluations, members, baseline.chooses, seconds))
    restore(family.network, before)
    return results


def compared(
    family: Family,
    results: Sequence[Found],
    images: Split,
    split: str,
    *,
    count: int = 24,
    repeats: int = 12,
    bar: Bar | NoBar | None = None,
) -> Comparison:
    """Measure up to `count` members of each method's front, and the full network, on `images`.

    Latencies are measured in the same rounds for all. Members are chosen on validation images; `images` only score
    them.
    """
    full = family.member(full_architecture(family))
    fronts = [_thinned(found.front, count) for found in results]
    members = [full, *(member for front in fronts for member in front)]
    timed = iter(measured(members, images, split, repeats=repeats, bar=bar))
    full = next(timed)
    found = [(result, tuple(next(timed) for _ in front)) for result, front in zip(results, fronts, strict=True)]
    worth = Worth.among(full, [member for _, mine in found for member in mine])
    curves = [
        _curve(result, mine, tuple(item.score for item in front), full.latency_ms, worth)
        for (result, mine), front in zip(found, fronts, strict=True)
    ]
    return Comparison(full, tuple(curves), worth.worst)


@dataclass(frozen=True)
class Worth:
    """What a score is worth where it is averaged over budgets, at which there may be nothing to be had.

    Of a share it is the score itself. Of others, as an error, it is how far the score is on the way from the `worst`
    member of all methods to the full network: 0 and 1 there.
    """

    measure: Measure
    worst: float
    full: float

    @classmethod
    def among(cls, full: Member, members: Sequence[Member]) -> Worth:
        """Return it for the scores of the full network and all members."""
        measure = full.measure
        if measure.from_nothing:
            return cls(measure, 0.0, 1.0)
        return cls(measure, min([full, *members], key=lambda member: member.merit).score, full.score)

    def of(self, member: Member) -> float:
        """Return what the score of `member` is worth."""
        whole = self.measure.merit(self.full) - self.measure.merit(self.worst)
        return (member.merit - self.measure.merit(self.worst)) / whole if whole else 0.0


def _curve(
    found: Found, members: tuple[Member, ...], validation: tuple[float, ...], full_ms: float, worth: Worth
) -> Curve:
    measure = worth.measure
    costs, values = [m.latency_ms for m in members], [worth.of(m) for m in members]
    chosen_by = [measure.merit(score) for score in validation] if found.chosen else costs
    area = area_under_curve(costs, values, full_cost=full_ms, chosen_by=chosen_by)
    volume = hypervolume(costs, values, reference_cost=full_ms) / full_ms
    within = {share: _within(members, share * full_ms, chosen_by, measure) for share in SHARES}
    return Curve(found, members, validation, area, volume, within, measure)


def _within(members: Sequence[Member], limit: float, chosen_by: Sequence[float], measure: Measure) -> float | None:
    """Return the score that is chosen within `limit` ms; where nothing fits 0 of a share, and else None."""
    costs = [member.latency_ms for member in members]
    if not measure.from_nothing and not any(cost <= limit for cost in costs):
        return None
    return best_within(costs, [member.score for member in members], limit, chosen_by=chosen_by)


def _thinned(front: Sequence[Member], count: int) -> list[Member]:
    """Return `count` of the front, both ends among them and the rest evenly between."""
    if len(front) <= count:
        return list(front)
    if count == 1:
        return [front[-1]]
    places = [round(number * (len(front) - 1) / (count - 1)) for number in range(count)]
    return [front[place] for place in places]
