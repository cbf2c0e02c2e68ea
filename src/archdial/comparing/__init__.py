"""Comparing a family with other ways to find members, and with published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdial.comparing.curves import compared, search_baselines

__all__ = ["compared", "search_baselines"]


def __getattr__(name: str) -> Any:
    """Import what compares when it is first used: recipes ask for what is published alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from archdial.comparing import curves

    return getattr(curves, name)
