"""Removing a network's own loss from a member: in deployment, there are no labels."""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn

from archdial.common.errors import UsageError
from archdial.tasks.parts import LOSS, TARGETS


def without_loss(module: nn.Module) -> nn.Module:
    """Return a copy of a built member that takes no labels and returns everything except the loss.

    Args:
        module: a member of gates(model, example, outputs=("loss", …)), built or fine-tuned.

    Raises:
        UsageError: it returns no loss, or nothing else.
    """
    if not isinstance(module, fx.GraphModule):
        raise UsageError(f"a {type(module).__name__}: expected a module returned by build() or finetune() of a member")
    made = copy.deepcopy(module)
    output = next(iter(reversed(made.graph.nodes)))
    given = output.args[0]
    if not isinstance(given, dict) or LOSS not in given or len(given) < 2:
        raise UsageError("the module does not return a loss next to other outputs: there is no loss to remove")
    output.args = (_rest(given),)
    made.graph.eliminate_dead_code()
    for node in list(made.graph.nodes):
        if node.op == "placeholder" and not node.users and str(node.target) in TARGETS:
            made.graph.erase_node(node)
    made.recompile()
    return made


def _rest(given: dict[str, Any]) -> Any:
    """Return all but the loss; one output alone as gates(model, example) gives it."""
    rest = {name: node for name, node in given.items() if name != LOSS}
    return next(iter(rest.values())) if len(rest) == 1 else rest
