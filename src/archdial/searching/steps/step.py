"""The interface of search steps."""

from __future__ import annotations

from archdial.searching.state import SearchState
from archdial.training.step import Figures, Step

SearchStep = Step[SearchState]

__all__ = ["Figures", "SearchStep"]
