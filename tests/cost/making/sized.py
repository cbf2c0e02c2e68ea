"""Parts that differ only in sizes, and a process that measures them by a formula."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from archdial.cost.measuring.timing import Progress, Timing
from archdial.networks.supernet import Part

Formula = Callable[..., float]


def grid(family: str, befores: Iterable[int], afters: Iterable[int]) -> list[Part]:
    after = list(afters)
    return [
        Part(f"{family}/{a}x{b}", nn.Identity(), (1,), family=family, sizes=(float(a), float(b)))
        for a in befores
        for b in after
    ]


class Measured:
    """Stands for `isolation.timings`: what a part takes is told by the formula of its family.

    Attributes:
        formulas: by family, of the sizes.
        runs: names of what was measured, for each time that it was asked.
        paces: how much slower the machine is in each of them; 1 thereafter.
    """

    def __init__(self, formulas: dict[str, Formula], paces: Iterable[float] = ()) -> None:
        self.formulas, self.paces = formulas, list(paces)
        self.runs: list[list[str]] = []

    def taken(self, key: str) -> float:
        family, _, sizes = key.partition("/")
        return self.formulas[family](*map(int, sizes.split("x")))

    def __call__(
        self,
        runtime: Any,
        subjects: Iterable[tuple[str, Any]],
        *,
        count: int,
        repeats: int,
        progress: Progress | None = None,
    ) -> list[Timing]:
        names = [name for name, _ in subjects]
        assert len(names) == count
        self.runs.append(names)
        pace = self.paces.pop(0) if self.paces else 1.0
        if progress is not None:
            for step in range(1, count + 1):
                progress(step, count)
        return [Timing(pace * self.taken(name), 0.01) for name in names]
