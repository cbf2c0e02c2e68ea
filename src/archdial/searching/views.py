"""Views of an architecture besides its inherited score, and the quality that they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import fx, nn

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.several import Tables
from archdial.cost.table.table import CostTable
from archdial.data.split import Batch, Split
from archdial.data.takes import taken
from archdial.networks.example import flat
from archdial.networks.fresh import draw_anew
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import Supernet
from archdial.searching.agreement import Agreement, Scale
from archdial.searching.evaluation import Evaluated
from archdial.searching.proxies import PROXIES, Untrained
from archdial.space import Architecture
from archdial.tasks.task import Task
from archdial.training.loop import number_of

EXAMPLES = 64
"""Of the training data, that proxies are shown."""
EVALUATION = "evaluation"
SIZE = ("flops", "parameters", "depth")
"""How large a network is: one view, as they say nearly the same."""

Row = tuple[float, ...]


class Views:
    """What costs next to nothing: size, and proxies of untrained members, once for each architecture.

    Attributes:
        names: of the numbers in a row.
        groups: what each looks at; those of one group count as one view.
        rows: the numbers by architecture; a checkpoint keeps them.
    """

    def __init__(self, network: Supernet, tables: Tables, proxies: Sequence[str], seed: int) -> None:
        """Look at members of `network`, priced by the first of `tables`, with `proxies`, new weights drawn by `seed`.

        Raises:
            UsageError: the network came with weights, or a proxy varies inputs that are tokens.
        """
        _check(network, proxies)
        table = tables if isinstance(tables, CostTable) else next(iter(tables.values()))
        self._network, self._seed = network, seed
        self._proxies = [PROXIES[name] for name in proxies]
        self._costs = [ExpectedCost(network.space, table, column) for column in SIZE[:2]]
        self.names = (*SIZE, *proxies)
        self.groups = (*("size" for _ in SIZE), *(proxy.regards for proxy in self._proxies))
        self.rows: dict[Architecture, Row] = {}

    def look(self, architecture: Architecture, inputs: Any, batch: Batch, task: Task) -> Row:
        """Return the row of `architecture`, worked out where it is not known.

        Args:
            inputs: what the network takes for `batch`, some training examples.
            task: says how wrong outputs for them are.
        """
        if architecture not in self.rows:
            devices = {tensor.device for tensor in self._network.parameters() if tensor.is_cuda}
            # What is drawn follows from seed and architecture alone, whenever it is looked at.
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(number_of(self._seed, *architecture.options))
                self.rows[architecture] = self._found(architecture, inputs, batch, task)
        return self.rows[architecture]

    def _found(self, architecture: Architecture, inputs: Any, batch: Batch, task: Task) -> Row:
        module = self._network.build(architecture)
        draw_anew(module)
        network = Untrained(module, inputs, lambda outputs: task.loss(outputs, batch))
        size = [*(cost.of(architecture) for cost in self._costs), float(depth(module))]
        return (*size, *(proxy(network) for proxy in self._proxies))

    def judged(self, evaluated: Sequence[Evaluated], sample: int) -> list[Evaluated]:
        """Return all that was `evaluated` with the score that all views together speak for.

        Trust is learned from the first `sample`, which were drawn before anything was preferred: among architectures
        that were chosen because one view praised them, the views seem to disagree.
        """
        measured = numpy.array([item.measure.merit(item.score) for item in evaluated])
        table = numpy.column_stack((measured, [self.rows[item.architecture] for item in evaluated]))
        agreement = Agreement.among(table[:sample], (EVALUATION, *self.groups))
        if not agreement.loadings.any():
            return list(evaluated)
        quality = agreement.quality(table)
        # The best quality of the sample is called its best score, and so on: the unit stays that of scores.
        scale = Scale.between(numpy.sort(quality[:sample]), numpy.sort(measured[:sample]))
        merits = zip(evaluated, scale(quality).tolist(), strict=True)
        return [replace(item, judged=item.measure.nearest(item.measure.merit(merit))) for item, merit in merits]


def depth(module: nn.Module) -> int:
    """Return how many layers with weights follow each other at most in a built member."""
    assert isinstance(module, fx.GraphModule)
    behind: dict[fx.Node, int] = {}
    for node in module.graph.nodes:
        own = node.op == "call_module" and _weighs(module.get_submodule(str(node.target)))
        behind[node] = own + max((behind[before] for before in node.all_input_nodes), default=0)
    return max(behind.values())


def _weighs(module: nn.Module) -> bool:
    return any(weight.ndim > 1 for weight in module.parameters())


def examples(split: Split, size: int = EXAMPLES) -> Batch:
    """Return the first `size` examples of `split`, or as many as its first batch has."""
    return taken(next(split.in_order(size, size)), size)


def _check(network: Supernet, proxies: Sequence[str]) -> None:
    told = ", ".join(proxies)
    if isinstance(network, Pretrained):
        raise UsageError(
            f"search.proxies = [{told}]: this network is pretrained, and proxies only describe untrained ones: omit "
            "them"
        )
    whole = not all(tensor.is_floating_point() for tensor in flat(network.example))
    if varied := [name for name in proxies if whole and PROXIES[name].perturbs]:
        others = ", ".join(name for name, proxy in PROXIES.items() if not proxy.perturbs)
        raise UsageError(
            f"search.proxies has {', '.join(varied)}: it perturbs inputs, but tokens are whole numbers; choose "
            f"from {others}"
        )
