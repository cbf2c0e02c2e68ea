"""Hypernetworks by name: from the features of a dial position to logits."""

from __future__ import annotations

from inspect import signature
from typing import Any

from archdial.common.errors import unknown
from archdial.hypernet.constant import Constant
from archdial.hypernet.hypernetwork import Hypernetwork
from archdial.hypernet.kernel import Kernel
from archdial.hypernet.linear import Linear
from archdial.hypernet.mlp import MLP
from archdial.hypernet.piecewise_constant import PiecewiseConstant
from archdial.hypernet.piecewise_linear import PiecewiseLinear
from archdial.space import Space

__all__ = [
    "HYPERNETS",
    "MLP",
    "Constant",
    "Hypernetwork",
    "Kernel",
    "Linear",
    "PiecewiseConstant",
    "PiecewiseLinear",
    "make_hypernet",
]

HYPERNETS: dict[str, type[Hypernetwork]] = {
    variant.kind: variant for variant in (Constant, Linear, PiecewiseConstant, PiecewiseLinear, Kernel, MLP)
}


def make_hypernet(kind: str, space: Space, features: int, **settings: Any) -> Hypernetwork:
    """Return the hypernetwork of `kind` over `space` for dial positions of `features` numbers.

    Raises:
        UsageError: the kind or a setting is unknown, or a value does not fit.
    """
    if kind not in HYPERNETS:
        raise unknown("hypernetwork", kind, HYPERNETS)
    variant = HYPERNETS[kind]
    known = [name for name in signature(variant).parameters if name not in ("space", "features")]
    for name in settings:
        if name not in known:
            raise unknown(f"setting of hypernetwork {kind!r}", name, known)
    return variant(space, features, **settings)
