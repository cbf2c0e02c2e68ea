"""Choices on a trained network: gates on its operations, and widths of dimensions that must agree."""

from archdial.networks.graph.choosing import gates
from archdial.networks.graph.network import GatedNetwork

__all__ = ["GatedNetwork", "gates"]
