"""What a search is compared with: other ways to find members of the same supernet, with the same weights."""

from archdial.baselines.base import Baseline, Judge
from archdial.baselines.greedy import Greedy
from archdial.baselines.random import Drawn, Random

__all__ = ["BASELINES", "Baseline", "Drawn", "Greedy", "Judge", "Random"]

BASELINES: dict[str, Baseline] = {"random": Random(), "drawn": Drawn(), "greedy": Greedy()}
