"""A trained network with choices: what can be dropped, and how wide it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor, fx, nn

from archdial.common.errors import UsageError, first_line, unknown
from archdial.networks.backbones import width_of
from archdial.networks.calling import described
from archdial.networks.eight_bits.placing import quantize
from archdial.networks.example import Inputs, Shapes
from archdial.networks.graph.bits import Bits
from archdial.networks.graph.capture.capture import Captured, capture, flow_of
from archdial.networks.graph.capture.lengths import resized
from archdial.networks.graph.capture.outputs import Outputs
from archdial.networks.graph.capture.unwrapped import bare
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.listing import listed
from archdial.networks.graph.choices.precision import kept_in_float
from archdial.networks.graph.choices.stored import choices_json, choices_of, without_units
from archdial.networks.graph.conditions import Condition, either
from archdial.networks.graph.grain import mark
from archdial.networks.graph.input_plan import inputs_json, inputs_of
from archdial.networks.graph.merging.calls import is_call
from archdial.networks.graph.merging.groups import Group, Layers
from archdial.networks.graph.merging.rows import merge_rows
from archdial.networks.graph.need import droppable, leave_whole, needs, running, runs
from archdial.networks.graph.pricing import Pricing
from archdial.networks.graph.running import Running
from archdial.networks.graph.sizes import NO_WIDTHS, Sizes
from archdial.networks.graph.source import make_model
from archdial.networks.graph.surgery import narrower, plain, without
from archdial.networks.graph.terms import term_plans
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.layout import laid_out, layout
from archdial.networks.pretrained import Pretrained
from archdial.networks.readout import Imitated, refit_readout
from archdial.networks.standalone import copied, keep_unused
from archdial.networks.supernet import TermPlan
from archdial.space import Architecture, Space
from archdial.tasks.parts import LOSS


class GatedNetwork(Pretrained):
    """A network of the user, captured as a graph, with choices put on it: gates, widths, or both.

    Its parameters are copies of the user's, under the user's names with `body.` before them.

    Attributes:
        choices: each choice with its operations and units.
        widths: which dimensions of the network must agree.
        opaque: names of submodules that could not be entered, and are one operation each.
        calling: how it is called.
        kept_in_float: convolutions and linear layers without a precision, where others have one.
        left_out: names of outputs of the user's network that it does not have.
        original: state of the user's network, once it is remembered; None before.
        source: arguments of `make_model`, if the model came from there.
    """

    kind = "gates"

    def __init__(
        self,
        captured: Captured,
        choices: Sequence[GraphChoice],
        source: Mapping[str, Any] | None = None,
        widths: Widths = NO_WIDTHS,
    ) -> None:
        super().__init__()
        self.source = None if source is None else dict(source)
        # No submodule: neither an optimizer nor whoever takes statistics again may find it.
        self.original: dict[str, Tensor] | None = None
        self._imitated: Imitated | None = None
        self.body = captured.root
        self._order = layout(captured.root)
        self.graph, self.opaque, self.how, self._flow = captured.graph, captured.opaque, captured.how, captured.flow
        self.choices, self.widths = tuple(choices), widths
        self.space = Space(tuple(choice.choice for choice in choices))
        self.calling, self.outputs, self.left_out = captured.calling, captured.outputs, captured.left_out
        self.gives_loss = LOSS in (self.outputs or ())
        self._inputs = [node for node in captured.graph.nodes if node.op == "placeholder"]
        self._drops = droppable(choices)
        mark(self.body, self.graph, self._flow)
        leave_whole(self.graph)
        self._needs = needs(self.graph, self._drops)
        self._conditions = {node: runs(found) for node, found in self._needs.items()}
        self._bits = bits = Bits(self.body, self.graph, self._flow, self.choices, self._drops)
        self._running = Running(self.body, self.graph, self.choices, self._drops, self._conditions, widths, bits)
        self.mixed_precision, self.kept_in_float = bool(bits), kept_in_float(self.body, self.graph, self.choices)

    @property
    def gates(self) -> tuple[GraphChoice, ...]:
        """The choices, with the operations that belong to each."""
        return self.choices

    @property
    def example(self) -> Inputs:
        """One input (1, …), in the form of the example."""
        return self.calling.tree([self._flow[node] for node in self._inputs])  # type: ignore[no-any-return]

    def forward(self, inputs: Inputs, weights: Tensor) -> Outputs:
        """Return the outputs for `inputs` (n, …), in the form of the example, under weights (m, k) of the options.

        Under one-hot weights without gradient, only what is taken runs. Otherwise everything runs, so that what is
        dropped or cut off has a gradient too.
        """
        flat = zip(self._inputs, self.calling.flat(inputs), strict=True)
        return self._running({node: laid_out(tensor, self._order) for node, tensor in flat}, weights)

    def build(self, architecture: Architecture, calibration: Sequence[Inputs] = ()) -> fx.GraphModule:
        """Return `architecture` as a plain module, without what is dropped or cut off and what only served it.

        If nothing is dropped, it is the user's network: `calibration` is ignored, and the weights are the remembered
        ones, if there are any. With `readout`, all others get new weights of the last linear layers. See
        `Supernet.build`.
        """
        whole = architecture == self.whole
        flat = () if whole else map(self.calling.flat, calibration)
        batches = [tuple(laid_out(tensor, self._order) for tensor in batch) for batch in flat]
        sized = self._sizes().at(dict(enumerate(architecture.options)))
        graph = without(self.graph, self.dropped(architecture), sized)
        module = plain(self.body, graph, batches, narrower(self.graph, sized))
        if self.readout and batches:
            refit_readout(module, self._imitated_on(calibration), batches)
        if eight := {node.name for node in self._bits.at(self.graph.nodes, architecture.options)}:
            quantize(module, eight, batches or [[self._flow[node] for node in self._inputs]])
        if whole and self.original is not None:
            module.load_state_dict(self.original)
        return module

    def remember(self) -> None:
        """Remember parameters and statistics of the whole network as they are now, before they are trained."""
        self.original = None
        self.original = self.build(self.whole).state_dict()

    def changed(self) -> dict[str, Tensor]:
        """Return the remembered tensors that differ from the present ones, under the user's names."""
        own = self.body.state_dict()
        return {name: value for name, value in (self.original or {}).items() if not value.equal(own[name])}

    def recall(self, changed: Mapping[str, Tensor]) -> None:
        """Remember the present weights, except for those that `changed` of an equal network returned."""
        self.remember()
        self.original = {**(self.original or {}), **changed}

    def untouched(self) -> nn.Module:
        """Return the user's network with its remembered weights, or the present ones, including unused tensors."""
        whole = self.build(self.whole)
        keep_unused(whole, self.body)
        return whole

    def dropped(self, architecture: Architecture) -> list[Operation]:
        """Return the operations that `architecture` drops, in the order of execution."""
        self.space.check(architecture)
        taken = architecture.options
        return [found.operation for found in self._drops.values() if taken[found.kept[0]] not in found.kept[1]]

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return `architecture` without what is kept in vain, such as operations in a dropped branch."""
        self.space.check(architecture)
        return running(self.conditions, self.space, architecture)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """For each choice, the condition under which anything that it changes runs."""
        own: list[list[Condition]] = [[] for _ in self.choices]
        for node, found in self._drops.items():
            own[found.kept[0]].append(self._conditions[node])
        sizes = self._sizes()
        for node, condition in self._conditions.items():
            for row in sizes.rows(node) if sizes.holds(node) else ():
                if not self.choices[row].operations:
                    own[row].append(condition)
            if (bits := self._bits.row(node)) is not None:
                own[bits].append(condition)
        return tuple(map(either, own))

    @property
    def whole(self) -> Architecture:
        """The architecture that keeps everything: the user's network."""
        return Architecture((0,) * len(self.choices))

    def terms(self) -> list[TermPlan]:
        """Return the terms of the cost: over the choices that decide together whether something runs."""
        return term_plans(Pricing(self._sizes(), self._bits), self._needs, self.space.choices, self._groups)

    @cached_property
    def _groups(self) -> list[Group]:
        # What is merged is made of weights in float: rounded one by one they are not its weights rounded.
        return [] if self._bits else Layers(self.body, self.graph, self._drops, self._flow).groups()

    def merge(self, module: nn.Module, rows: Sequence[Sequence[str]]) -> nn.Module:
        """Merge each of several rows of layers into one layer, in place; see `Supernet.merge`.

        Raises:
            UsageError: `module` was not returned by `build`.
        """
        if rows:
            if not isinstance(module, fx.GraphModule):
                raise UsageError(
                    f"cannot merge layers in a {type(module).__name__}: expected a module returned by build()"
                )
            given = {
                str(node.target): self._flow[node.all_input_nodes[0]] for node in self.graph.nodes if is_call(node)
            }
            merge_rows(module, rows, {name: value.dim() for name, value in given.items() if isinstance(value, Tensor)})
        return module

    def _imitated_on(self, calibration: Sequence[Inputs]) -> Imitated:
        if self._imitated is None or not self._imitated.serves(calibration, self.original):
            self._imitated = Imitated(lambda: self.untouched().eval(), calibration, self.original)
        return self._imitated

    def _sizes(self) -> Sizes:
        # Made again each time: it holds parts of the weights as they are now.
        return Sizes(self.body, self._flow, self.widths, self.choices)

    def at(self, shapes: Shapes) -> GatedNetwork:
        """Return the same network, with the same weights, as it runs on inputs of other shapes, without the batch.

        Args:
            shapes: shape of the one input, without the batch; or shapes by the names of the inputs that change.

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
        """Return the choices on a narrower backbone with new weights; None for a model that archdial did not create."""
        if self.source is None or ":" in self.source["name"]:
            return None
        width = max(1, round(share * width_of(self.body)))
        return GatedNetwork.from_json({**without_units(self.to_json()), "source": {**self.source, "width": width}})

    def to_json(self) -> dict[str, Any]:
        """Return the description from which `from_json` creates an equal network, as a JSON value."""
        return {
            "kind": self.kind,
            "source": self.source,
            **inputs_json(self.calling, [self._flow[node] for node in self._inputs], self.outputs),
            **choices_json(self.choices, self.widths),
        }

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], model: nn.Module | None = None, *, trust: bool = False
    ) -> GatedNetwork:
        """Return the network that `to_json` described, with the weights of `model` or of its source.

        Args:
            value: the JSON value.
            model: the user's network; without it, its source creates one.
            trust: allow calling the source, if it is the user's code.

        Raises:
            UsageError: the source may not be called, or the model has other operations.
        """
        model = bare(make_model(**value["source"], trust=trust) if model is None else model)
        captured = capture(model, inputs_of(value), value.get("outputs"))
        choices, widths = choices_of(value, captured)
        return cls(captured, choices, value["source"], widths).train(model.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> GatedNetwork:
        copies: dict[fx.Node, fx.Node] = {}
        graph = fx.Graph()
        graph.output(graph.graph_copy(self.graph, copies))
        flow = {copies[node]: value for node, value in self._flow.items() if node in copies}
        body = copied(self.body, memo)
        captured = Captured(body, graph, self.how, self.opaque, flow, self.calling, self.outputs, self.left_out)
        moved = [choice.moved(copies) for choice in self.choices]
        made = GatedNetwork(captured, moved, self.source, self.widths.moved(copies))
        made.original, made.readout = copy.deepcopy(self.original, memo), self.readout
        made.training = self.training
        return made

    def __str__(self) -> str:
        return listed(self, "export" if self.how == "export" else "fx")
