"""A trained network with a gate on each operation that may be dropped."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from torch import Tensor, fx, nn

from archdial.common.errors import UsageError, cut, first_line, unknown
from archdial.networks.backbones import width_of
from archdial.networks.calling import described
from archdial.networks.example import Inputs, Shapes
from archdial.networks.graph.capture.capture import Captured, capture, flow_of
from archdial.networks.graph.capture.lengths import resized
from archdial.networks.graph.capture.outputs import Outputs, like, tensors_of
from archdial.networks.graph.capture.unwrapped import bare
from archdial.networks.graph.choices.droppable import Operation, find_operations
from archdial.networks.graph.choices.gates import DROP, KEEP, OPTIONS, Gate, chosen, space_of
from archdial.networks.graph.choices.listing import listed
from archdial.networks.graph.choices.mixing import gate
from archdial.networks.graph.grain import mark
from archdial.networks.graph.input_plan import inputs_json, inputs_of
from archdial.networks.graph.need import Condition, either, holds, leave_whole, needs, running, runs
from archdial.networks.graph.source import make_model
from archdial.networks.graph.steps import Step, Uses, behind
from archdial.networks.graph.surgery import plain, without
from archdial.networks.graph.terms import term_plans
from archdial.networks.layout import laid_out, layout
from archdial.networks.pretrained import Pretrained
from archdial.networks.standalone import copied, keep_unused
from archdial.networks.supernet import TermPlan
from archdial.space import Architecture, Space
from archdial.tasks.parts import LOSS


class GatedNetwork(Pretrained):
    """A network of the user, captured as a graph, in which each choice is to keep or to drop something.

    Its parameters are copies of the user's, under the user's names with `body.` before them.

    Attributes:
        gates: the choices, with the operations that belong to each.
        opaque: names of submodules that could not be entered, and are one operation each.
        calling, left_out: how it is called, and names of outputs of the user's network that it has not.
        original: state of the whole network as it came, once it is remembered.
        source: arguments of `make_model`, if the model came from there.
    """

    kind = "gates"

    def __init__(self, captured: Captured, gates: Sequence[Gate], source: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.source = None if source is None else dict(source)
        # No submodule: neither an optimizer nor whoever takes statistics anew may find it.
        self.original: dict[str, Tensor] | None = None
        self.body = captured.root
        self._order = layout(captured.root)
        self.graph, self.opaque, self.how, self._flow = captured.graph, captured.opaque, captured.how, captured.flow
        self.gates = tuple(gates)
        self.space: Space = space_of(gates)
        self.calling, self.outputs, self.left_out = captured.calling, captured.outputs, captured.left_out
        self.gives_loss = LOSS in (self.outputs or ())
        self._inputs = [node for node in captured.graph.nodes if node.op == "placeholder"]
        self._choice_of = {o.node: (o, row) for row, gate in enumerate(gates) for o in gate.operations}
        mark(self.body, self.graph, self._flow)
        leave_whole(self.graph)
        self._needs = needs(self.graph, self._choice_of)
        self._conditions = {node: runs(found) for node, found in self._needs.items()}
        self._steps = [Step(self.body, node) for node in self.graph.nodes if node.op not in {"placeholder", "output"}]

    @property
    def example(self) -> Inputs:
        """One input (1, …), in the form of the example."""
        return self.calling.tree([self._flow[node] for node in self._inputs])  # type: ignore[no-any-return]

    @cached_property
    def _output(self) -> Any:
        return next(reversed(self.graph.nodes)).args[0]

    def forward(self, inputs: Inputs, weights: Tensor) -> Outputs:
        """Return the outputs for `inputs` (n, …), in the form of the example, under gates (m, 2) = (keep, drop).

        Under exact gates that ask for no gradient only what is needed runs. Else everything runs, so that what is
        dropped has a gradient too.
        """
        exact = not weights.requires_grad and bool(((weights == 0) | (weights == 1)).all())
        kept = [row for row, value in enumerate(weights[:, 0].tolist()) if value == 1.0] if exact else None
        return self._run(self.calling.flat(inputs), weights, kept)

    def _run(self, inputs: Sequence[Tensor], weights: Tensor, kept: list[int] | None) -> Outputs:
        values: dict[fx.Node, Any] = {
            node: laid_out(tensor, self._order) for node, tensor in zip(self._inputs, inputs, strict=True)
        }
        stands_for: dict[fx.Node, fx.Node] = {}
        steps = self._steps if kept is None else self._needed(kept, stands_for)
        uses = Uses(steps, tensors_of(self._output), stands_for)
        for step in steps:
            result = step(values, stands_for)
            if kept is None and step.node in self._choice_of:
                result = self._mixed(step.node, result, values, weights)
            values[step.node] = result
            uses.forget(step, values)
        return like(self._output, [values[behind(node, stands_for)] for node in tensors_of(self._output)])

    def _mixed(self, node: fx.Node, result: Tensor, values: Mapping[fx.Node, Any], weights: Tensor) -> Tensor:
        operation, row = self._choice_of[node]
        # Of a branch too: keep · (branch + other) + drop · other is other + keep · branch.
        return gate(result, values[operation.passes], weights[row])

    def _needed(self, kept: list[int], stands_for: dict[fx.Node, fx.Node]) -> list[Step]:
        """Return the steps that run where `kept` are kept; note what stands for what is dropped."""
        there = set(kept)
        for node, (operation, row) in self._choice_of.items():
            if row not in there:
                stands_for[node] = operation.passes
        return [step for step in self._steps if holds(self._conditions[step.node], there)]

    def build(self, architecture: Architecture, calibration: Sequence[Inputs] = ()) -> fx.GraphModule:
        """Return `architecture` as a plain module: what is dropped is gone, with all that only served it.

        Where nothing is dropped it is the network as it came: calibration is passed over, and where the network was
        remembered, the weights are those of then. See `Supernet.build`.
        """
        whole = architecture == self.whole
        flat = () if whole else map(self.calling.flat, calibration)
        batches = [tuple(laid_out(tensor, self._order) for tensor in batch) for batch in flat]
        module = plain(self.body, without(self.graph, self.dropped(architecture)), batches)
        if whole and self.original is not None:
            module.load_state_dict(self.original)
        return module

    def remember(self) -> None:
        """Keep parameters and statistics of the whole network as they are now, whatever is trained later."""
        self.original = None
        self.original = self.build(self.whole).state_dict()

    def changed(self) -> dict[str, Tensor]:
        """Return the state of the whole network as it came, by the user's names, where its state is another now."""
        own = self.body.state_dict()
        return {name: value for name, value in (self.original or {}).items() if not value.equal(own[name])}

    def recall(self, changed: Mapping[str, Tensor]) -> None:
        """Remember the weights as they are now, but for what `changed` of an equal network gave."""
        self.remember()
        self.original = {**(self.original or {}), **changed}

    def untouched(self) -> nn.Module:
        """Return the user's network as it was when it was remembered, or is now; what nothing reads it has too."""
        whole = self.build(self.whole)
        keep_unused(whole, self.body)
        return whole

    def dropped(self, architecture: Architecture) -> list[Operation]:
        """Return the operations that `architecture` drops, in the order in which they would run."""
        self.space.check(architecture)
        gone = {row for row, option in enumerate(architecture.options) if OPTIONS[option] == DROP}
        return [operation for operation, row in self._choice_of.values() if row in gone]

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return `architecture` with all that is kept in vain dropped: what stands in a dropped branch."""
        self.space.check(architecture)
        return running(self.conditions, architecture)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """When any operation of each choice runs."""
        own: list[list[Condition]] = [[] for _ in self.gates]
        for node, (_, row) in self._choice_of.items():
            own[row].append(self._conditions[node])
        return tuple(map(either, own))

    @property
    def whole(self) -> Architecture:
        """The architecture that keeps everything: the user's network."""
        return self.space.uniform(KEEP)

    def terms(self) -> list[TermPlan]:
        """Return the terms of the cost: over the choices that decide together whether something runs."""
        return term_plans(self.body, self._flow, self._needs, [gate.name for gate in self.gates])

    def at(self, shapes: Shapes) -> GatedNetwork:
        """Return the same network, with the same weights, as it runs on inputs of other shapes, without the batch.

        Args:
            shapes: of the one input, or by the names of those that have another.

        Raises:
            UsageError: there is no such input, or the network does not run at these shapes.
        """
        named = shapes if isinstance(shapes, Mapping) else {self.calling.names[0]: shapes}
        for name in named:
            if name not in self.calling.names:
                raise unknown("input", name, self.calling.names)
        own = dict(zip(self.calling.names, (self._flow[node] for node in self._inputs), strict=True))
        inputs = tuple(resized(tensor, named[name]) if name in named else tensor for name, tensor in own.items())
        made = copy.deepcopy(self)
        try:
            made._flow = flow_of(made.body, made.graph, inputs)
        except Exception as error:
            raise UsageError(
                f"the network does not run at {described(self.calling.tree(inputs))}: {first_line(error)}"
            ) from None
        return made

    def scaled(self, share: float) -> GatedNetwork | None:
        """Return the gates on a narrower backbone with new weights; None of a model that archdial did not make."""
        if self.source is None or ":" in self.source["name"]:
            return None
        width = max(1, round(share * width_of(self.body)))
        return GatedNetwork.from_json({**self.to_json(), "source": {**self.source, "width": width}})

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes an equal network from; a model that was handed over has no source."""
        return {
            "kind": self.kind,
            "source": self.source,
            **inputs_json(self.calling, [self._flow[node] for node in self._inputs], self.outputs),
            "gates": {gate.name: [operation.name for operation in gate.operations] for gate in self.gates},
        }

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], model: nn.Module | None = None, *, trust: bool = False
    ) -> GatedNetwork:
        """Return a network by what `to_json` wrote, with weights as `model` or its source has them.

        Args:
            trust: as for `make_model`, which calls the source where there is no `model`.

        Raises:
            UsageError: the source may not be called, or the model has other operations.
        """
        model = bare(make_model(**value["source"], trust=trust) if model is None else model)
        captured = capture(model, inputs_of(value), value.get("outputs"))
        found = {operation.name: operation for operation in find_operations(captured)}
        if missing := [name for names in value["gates"].values() for name in names if name not in found]:
            raise UsageError(
                f"the model has no operation {cut(missing[0])!r}: pass the one that the family was searched on"
            )
        members = [Gate(name, tuple(found[n] for n in names)) for name, names in value["gates"].items()]
        return cls(captured, members, value["source"]).train(model.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> GatedNetwork:
        copies: dict[fx.Node, fx.Node] = {}
        graph = fx.Graph()
        graph.output(graph.graph_copy(self.graph, copies))
        flow = {copies[node]: value for node, value in self._flow.items() if node in copies}
        body = copied(self.body, memo)
        captured = Captured(body, graph, self.how, self.opaque, flow, self.calling, self.outputs, self.left_out)
        moved = [
            replace(g, operations=tuple(replace(o, node=copies[o.node], passes=copies[o.passes]) for o in g.operations))
            for g in self.gates
        ]
        made = GatedNetwork(captured, moved, self.source)
        made.original = copy.deepcopy(self.original, memo)
        made.training = self.training
        return made

    def __str__(self) -> str:
        return listed(self.gates, self.terms(), self.opaque, self.how, self.left_out)


def gates(
    model: nn.Module,
    example_input: Inputs,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    source: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
) -> GatedNetwork:
    """Return `model` with a gate on each operation that may be dropped; `model` itself is left as it was.

    Convolutions, normalisations, activations, poolings, linear layers and attention whose output has the shape of
    their input can be left out (the identity takes their place), and branches that end in an addition (zero takes
    theirs). Borodin (2023), with costs that know of branches.

    Args:
        model: any module; it returns a tensor, or a tuple, mapping or dataclass with tensors in it. What torch.compile,
            DataParallel or DistributedDataParallel put around it is taken off.
        example_input: a batch (n, …) such as it takes: one tensor, a tuple of several, or a dict of them by the names
            of its arguments. Numbers, texts, True, False and None in a dict are the same in every call.
        include: names, globs of names or kinds of operations that may be dropped; all by default.
        exclude: the same, of what is kept always.
        groups: name → names, globs or kinds that are kept or dropped together; see `choices.chosen`.
        source: arguments of `make_model` that make an equal model, so that a family can be loaded without it.
        outputs: names of the outputs that members have; by default `logits` where there are any, else every tensor.
            The rest stands in `left_out`. With `loss` among them labels are inputs too; see `archdial.without_loss`.

    Raises:
        UsageError: the model is no module, refuses the example, cannot be captured, or nothing in it can be dropped.
    """
    model = bare(model)
    captured = capture(model, example_input, outputs)
    choices = chosen(find_operations(captured), include, exclude, groups)
    return GatedNetwork(captured, choices, source).train(model.training)
