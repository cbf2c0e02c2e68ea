"""Gates put on the operations of a trained network."""

from archdial.networks.graph.network import GatedNetwork, gates

__all__ = ["GatedNetwork", "gates"]
