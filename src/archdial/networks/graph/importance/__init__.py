"""How much each unit of a width group matters, and sorting the important ones to the front."""

from archdial.networks.graph.importance.activation import Activation
from archdial.networks.graph.importance.importance import Example, Importance
from archdial.networks.graph.importance.norm import Norm
from archdial.networks.graph.importance.taylor import Taylor

IMPORTANCES: dict[str, type[Importance]] = {"taylor": Taylor, "norm": Norm, "activation": Activation}

__all__ = ["IMPORTANCES", "Activation", "Example", "Importance", "Norm", "Taylor"]
