"""Baselines live in `archdial.comparing.baselines`; scripts may name them here, as they always could."""

from archdial.comparing.baselines import BASELINES

__all__ = ["BASELINES"]
