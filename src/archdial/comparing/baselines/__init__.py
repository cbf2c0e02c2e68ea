"""Baselines: other ways to find members of the same supernet, with the same weights."""

from archdial.comparing.baselines.baseline import Baseline, Case, Judge, School, Search
from archdial.comparing.baselines.greedy import Greedy
from archdial.comparing.baselines.knapsack import Knapsack
from archdial.comparing.baselines.nsga2 import Nsga2
from archdial.comparing.baselines.random import Drawn, Random
from archdial.comparing.baselines.scaled import Scaled
from archdial.comparing.baselines.single import Single

__all__ = [
    "BASELINES",
    "Baseline",
    "Case",
    "Drawn",
    "Greedy",
    "Judge",
    "Knapsack",
    "Nsga2",
    "Random",
    "Scaled",
    "School",
    "Search",
    "Single",
]

BASELINES: dict[str, Baseline] = {
    baseline.name: baseline for baseline in (Random(), Drawn(), Greedy(), Knapsack(), Nsga2(), Single(), Scaled())
}
