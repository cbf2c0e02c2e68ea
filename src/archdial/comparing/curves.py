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
from archdial.data import Images
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
        area: mean of the chosen score over budgets from 0 to the latency of the full network.
        hypervolume: of (latency, score), reference point the latency of the full network and a score of 0, as a share
            of that box.
        within: the chosen score by budget, as a share of the latency of the full network.
    """

    found: Found
    members: tuple[Member, ...]
    validation: tuple[float, ...]
    area: float
    hypervolume: float
    within: Mapping[float, float]
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
    """The full network, and the curve of each method."""

    full: Member
    curves: tuple[Curve, ...]


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
    """Return what the family found in its search, and each baseline with at most `budget` evaluations.

    Args:
        evaluator: with which the search judged architectures.
        school: with what baselines train that train; none of them may be asked without.
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
    images: Images,
    split: str,
    *,
    count: int = 24,
    repeats: int = 12,
    bar: Bar | NoBar | None = None,
) -> Comparison:
    """Measure up to `count` members of each method's front, and the full network, on `images`.

    Latencies are taken in the same rounds for all. Members are chosen on validation images; `images` only judge them.
    """
    full = family.member(full_architecture(family))
    fronts = [_thinned(found.front, count) for found in results]
    members = [full, *(member for front in fronts for member in front)]
    timed = iter(measured(members, images, split, repeats=repeats, bar=bar))
    full = next(timed)
    curves = []
    for found, front in zip(results, fronts, strict=True):
        mine = tuple(next(timed) for _ in front)
        curves.append(_curve(found, mine, tuple(item.score for item in front), full.latency_ms, full.measure))
    return Comparison(full, tuple(curves))


def _curve(
    found: Found, members: tuple[Member, ...], validation: tuple[float, ...], full_ms: float, measure: Measure
) -> Curve:
    costs, merits = [m.latency_ms for m in members], [m.merit for m in members]
    chosen_by = [measure.merit(score) for score in validation] if found.chosen else costs
    area = area_under_curve(costs, merits, full_cost=full_ms, chosen_by=chosen_by)
    volume = hypervolume(costs, merits, reference_cost=full_ms) / full_ms
    best = {s: best_within(costs, merits, s * full_ms, chosen_by=chosen_by) for s in SHARES}
    within = {share: measure.merit(merit) for share, merit in best.items()}
    return Curve(found, members, validation, area, volume, within, measure)


def _thinned(front: Sequence[Member], count: int) -> list[Member]:
    """Return `count` of the front, both ends among them and the rest evenly between."""
    if len(front) <= count:
        return list(front)
    if count == 1:
        return [front[-1]]
    places = [round(number * (len(front) - 1) / (count - 1)) for number in range(count)]
    return [front[place] for place in places]
