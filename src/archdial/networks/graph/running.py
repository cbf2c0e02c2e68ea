"""Running a captured network under option weights: everything weighted, or only what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from archdial.networks.graph.bits import Bits
from archdial.networks.graph.capture.outputs import Outputs, like, tensors_of
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.mixing import gate
from archdial.networks.graph.conditions import Condition, holds
from archdial.networks.graph.need import Droppable
from archdial.networks.graph.rounding import Rounding, in_both
from archdial.networks.graph.steps import Seen, Step, Uses, behind
from archdial.networks.graph.widths.seen import Masked, Sliced
from archdial.networks.graph.widths.widths import Widths


class Running:
    """The nodes of a network with choices, ready to run.

    Args:
        root: owner of the modules.
        graph: of the captured network.
        choices: put on it.
        drops: what some of their options drop, by its node.
        conditions: when each node runs.
        widths: of the network, at full width.
        bits: which nodes may compute in eight bits.
    """

    def __init__(
        self,
        root: nn.Module,
        graph: fx.Graph,
        choices: Sequence[GraphChoice],
        drops: Mapping[fx.Node, Droppable],
        conditions: Mapping[fx.Node, Condition],
        widths: Widths,
        bits: Bits,
    ) -> None:
        self._bits = bits
        self._choices, self._drops, self._conditions, self._widths = choices, drops, conditions, widths
        self._whole = Seen(root)
        self._steps = [Step(node) for node in graph.nodes if node.op not in {"placeholder", "output"}]
        self._output = next(reversed(graph.nodes)).args[0]

    def __call__(self, values: dict[fx.Node, Any], weights: Tensor) -> Outputs:
        """Return the outputs for `values` of the inputs, under weights (m, k).

        Under exact weights that ask for no gradient only what is needed runs, as narrow as it is. Else everything runs,
        so that what is dropped, or cut off, has a gradient too.
        """
        exact = not weights.requires_grad and bool(((weights == 0) | (weights == 1)).all())
        return self._taken(values, weights.argmax(-1).tolist()) if exact else self._weighed(values, weights)

    def _taken(self, values: dict[fx.Node, Any], options: Sequence[int]) -> Outputs:
        stands_for = {
            node: found.operation.passes
            for node, found in self._drops.items()
            if options[found.kept[0]] not in found.kept[1]
        }
        steps = [step for step in self._steps if holds(self._conditions[step.node], options)]
        seen = Sliced.of(self._whole.root, self._widths, self._choices, options) or self._whole
        uses = Uses(steps, tensors_of(self._output), stands_for)
        eight = self._bits.at((step.node for step in steps), options)
        rounding = Rounding(seen, eight, steps, stands_for) if eight else None
        for step in steps:
            values[step.node] = rounding(step, values) if rounding else step(seen, values, stands_for)
            uses.forget(step, values)
        return like(self._output, [values[behind(node, stands_for)] for node in tensors_of(self._output)])

    def _weighed(self, values: dict[fx.Node, Any], weights: Tensor) -> Outputs:
        seen = Masked.of(self._whole.root, self._widths, self._choices, weights) or self._whole
        uses = Uses(self._steps, tensors_of(self._output), {})
        for step in self._steps:
            if (bits := self._bits.row(step.node)) is None:
                result = step(seen, values, {})
            else:
                result = gate(*in_both(step, seen, values), weights[bits])
            if step.node in self._drops:
                found = self._drops[step.node]
                row = self._choices[found.kept[0]].kept_and_dropped(weights[found.kept[0]])
                # Of a branch too: keep · (branch + other) + drop · other is other + keep · branch.
                result = gate(result, values[found.operation.passes], row)
            values[step.node] = result
            uses.forget(step, values)
        return like(self._output, [values[node] for node in tensors_of(self._output)])
