"""The architecture with the least damage within a budget, as a binary programme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from numpy.typing import NDArray

from archdial.cost.pricing.expected import ExpectedCost
from archdial.space import Architecture, Space

Array = NDArray[numpy.float64]
Product = tuple[list[tuple[int, ...]], float]
"""Of each choice the flat places (choice · k + option), any of which will do; and the cost where all are met."""


def packed(space: Space, cost: ExpectedCost, harm: Array, limit: float) -> Architecture | None:
    """Return the architecture of least total `harm` (m, k) whose cost is at most `limit`; None if there is none.

    Solved by HiGHS: x_ej ∈ {0, 1} takes option j at choice e. A term of the cost over n choices has a variable of its
    own, at least Σ x − (n − 1) and at most the x of each choice: its cost counts exactly where all are met.
    """
    from scipy.optimize import Bounds, milp

    products = cost.products()
    present = space.mask.numpy().reshape(-1)
    found = milp(
        numpy.concatenate([numpy.where(present, harm.reshape(-1), 0.0), numpy.zeros(len(products))]),
        constraints=list(_rules(space, cost, products, limit)),
        bounds=Bounds(0, numpy.concatenate([present.astype(float), numpy.ones(len(products))])),
        integrality=numpy.concatenate([numpy.ones(present.size), numpy.zeros(len(products))]),
    )
    if found.x is None:
        return None
    return Architecture(tuple(found.x[: present.size].reshape(space.shape).argmax(1).tolist()))


def _rules(space: Space, cost: ExpectedCost, products: list[Product], limit: float) -> Iterator[Any]:
    from scipy.optimize import LinearConstraint

    m, k = space.shape
    size = m * k + len(products)
    one = numpy.hstack([numpy.kron(numpy.eye(m), numpy.ones(k)), numpy.zeros((m, len(products)))])
    yield LinearConstraint(one, 1, 1)
    prices = numpy.concatenate([cost.single.numpy().reshape(-1), [price for _, price in products]])
    yield LinearConstraint(prices[None], -numpy.inf, limit - float(cost.constant))
    for number, (factors, _) in enumerate(products, m * k):
        together = numpy.zeros((1 + len(factors), size))
        together[0, number], together[1:, number] = -1, 1
        for line, places in enumerate(factors, 1):
            together[0, places], together[line, places] = 1, -1
        yield LinearConstraint(together, -numpy.inf, [len(factors) - 1] + [0] * len(factors))
