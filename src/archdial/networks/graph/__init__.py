"""Choices put on a trained network: gates on its operations, widths of what must agree."""

from archdial.networks.graph.choosing import gates
from archdial.networks.graph.network import GatedNetwork

__all__ = ["GatedNetwork", "gates"]
