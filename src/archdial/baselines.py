"""Kept for scripts that import baselines from here; they are in `archdial.comparing.baselines`."""

from archdial.comparing.baselines import BASELINES

__all__ = ["BASELINES"]
