"""Putting choices on a trained network: gates on what can be dropped, widths on what can be narrowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from archdial.common.errors import UsageError
from archdial.networks.example import Inputs
from archdial.networks.graph.capture.capture import Captured, capture
from archdial.networks.graph.capture.unwrapped import bare
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation, find_operations
from archdial.networks.graph.choices.hooks import tell_of_hooks
from archdial.networks.graph.choices.order import in_order
from archdial.networks.graph.choices.precision import EIGHT, OPTIONS, Quantizable, find_quantizable, precisions
from archdial.networks.graph.choices.precision import SUFFIX as PRECISION
from archdial.networks.graph.choices.selection import selected
from archdial.networks.graph.choices.together import together, with_branches, with_few_shapes, without_joints
from archdial.networks.graph.choices.width import FRACTIONS, MULTIPLE, Slimmable, kept_units
from archdial.networks.graph.network import GatedNetwork
from archdial.networks.graph.sizes import NO_WIDTHS
from archdial.networks.graph.widths.found import find_widths
from archdial.networks.graph.widths.widths import Widths

Candidate = Operation | Slimmable | Quantizable


def gates(
    model: nn.Module,
    example_input: Inputs,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    source: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
) -> GatedNetwork:
    """Return `model` with a gate on each operation that may be dropped; `model` itself is not modified.

    Convolutions, normalisations, activations, poolings, linear layers and attention whose output has the shape of
    their input can be dropped (replaced by the identity), and so can branches that end in an addition (replaced by
    zero). Borodin (2023), with costs that account for branches.

    Args:
        model: any module that returns a tensor, or a tuple, mapping or dataclass with tensors in it. Wrappers added by
            torch.compile, DataParallel or DistributedDataParallel are removed.
        example_input: a batch (n, …) for it: one tensor, a tuple of several, or a dict of them by argument name.
            Numbers, strings, True, False and None in a dict are constants in every call.
        include: names, globs of names or kinds of operations that may be dropped; all by default.
        exclude: the same, for what is always kept.
        groups: name → names, globs or kinds that are kept or dropped together. One asterisk in a name and its patterns
            makes a group for each text that it stands for: `{"layer*": ["layer*.conv1", "layer*.bn1"]}`.
        source: arguments of `networks.graph.source.make_model` that create an equal model, so that a family can be
            loaded without it.
        outputs: names of the outputs that members have; by default `logits` if there are any, else every tensor. The
            rest is listed in `left_out`. With `loss` among them, labels are inputs too; see `archdial.without_loss`.

    Raises:
        UsageError: the model is not a module, fails on the example, cannot be captured, or has nothing to drop.
    """
    model = bare(model)
    captured = capture(model, example_input, outputs)
    made = _made(captured, include, exclude, groups)
    return GatedNetwork(captured, made, source).train(model.training)


def choices(
    model: nn.Module,
    example_input: Inputs,
    *,
    gates: bool = True,
    width: Sequence[float] | None = FRACTIONS,
    precision: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    multiple: int = MULTIPLE,
    streams: bool = False,
    source: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
) -> GatedNetwork:
    """Return `model` with choices: what to drop, and how wide it is; `model` itself is not modified.

    A width covers all dimensions that must agree: channels of convolutions with everything added to them, hidden
    units between two linear layers, whole heads of attention, hidden units of recurrent layers. The first units of each
    stay; `archdial.search` sorts them by importance beforehand. If a group lies within something that may be dropped,
    such as a residual branch, 0 is among its widths.

    Args:
        model: as in `archdial.gates`.
        example_input: as in `archdial.gates`, a batch (n, …).
        gates: whether operations may be dropped, as `archdial.gates` has it. Operations that join two widths stay.
        width: fractions of the units to keep; None keeps all units.
        precision: what else than float32 convolutions and linear layers may compute in: ("int8",). ReLU and maxima are
            in int8 where what they read is, additions where the branch is that is added. Weights are rounded by
            channel, symmetrically, activations by tensor (Jacob et al. 2018, equation 1); a member's ranges are those
            of its calibration data.
        include: as in `archdial.gates`; widths are named after the layer that produces them: "layer1.0.conv1.width",
            precisions likewise: "layer1.0.conv1.precision".
        exclude: as in `archdial.gates`.
        groups: as in `archdial.gates`.
        multiple: channels are kept in multiples of this number; heads are kept whole.
        streams: whether the residual stream of a transformer may be narrowed too.
        source: as in `archdial.gates`.
        outputs: as in `archdial.gates`.

    Raises:
        UsageError: as `archdial.gates`; or a fraction is not above 0 and at most 1, nothing can be narrowed, or a
            precision is not int8.
    """
    fractions, eight = _fractions(width), _has_eight_bits(precision)
    if not gates and not fractions and not eight:
        raise UsageError("gates is False and width is None, which leaves nothing to choose: enable one of them")
    model = bare(model)
    captured = capture(model, example_input, outputs)
    widths = find_widths(captured, streams) if fractions else NO_WIDTHS
    made = _made(captured, include, exclude, groups, gates, widths, fractions, multiple, eight)
    return GatedNetwork(captured, made, source, widths).train(model.training)


def _fractions(width: Sequence[float] | None) -> tuple[float, ...]:
    """Return the fractions, the whole first.

    Raises:
        UsageError: one of them is not above 0 and at most 1.
    """
    for fraction in width or ():
        if not 0 < fraction <= 1:
            raise UsageError(
                f"width has {fraction!r}: expected fractions above 0 and at most 1, such as (1, 0.75, 0.5, 0.25)"
            )
    return tuple(sorted({1.0, *map(float, width)}, reverse=True)) if width else ()


def _has_eight_bits(precision: Sequence[str]) -> bool:
    for name in [precision] if isinstance(precision, str) else precision:
        if name not in OPTIONS:
            raise UsageError(f"precision has {name!r}: expected {EIGHT}, beside float32 that every layer has")
    return EIGHT in precision


def _made(
    captured: Captured,
    include: Sequence[str],
    exclude: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None,
    gates: bool = True,
    widths: Widths = NO_WIDTHS,
    fractions: Sequence[float] = (),
    multiple: int = MULTIPLE,
    eight: bool = False,
) -> tuple[GraphChoice, ...]:
    """Return the choices, in the order in which what they are about runs; warn of hooks that are dropped with it."""
    candidates: list[Candidate] = [*(find_operations(captured) if gates else ())]
    candidates += _slimmable(widths, fractions, multiple)
    candidates += find_quantizable(captured) if eight else ()
    if not candidates:
        raise UsageError(_nothing(bool(fractions)))
    named = selected(candidates, include, exclude, groups or {})
    layers = {name: [one for one in members if isinstance(one, Quantizable)] for name, members in named.items()}
    others = {name: [one for one in members if not isinstance(one, Quantizable)] for name, members in named.items()}
    found = without_joints(together({name: members for name, members in others.items() if members}), widths)
    found = with_few_shapes(with_branches(found, captured, widths), widths, len(fractions))
    tell_of_hooks(one.name for item in found for one in item.operations if one.hooked)
    bits = precisions(_by_own_names({name: members for name, members in layers.items() if members}, others))
    return in_order([*(item.made(fractions, multiple) for item in found), *bits], widths)


def _by_own_names(
    layers: Mapping[str, Sequence[Quantizable]], others: Mapping[str, Sequence[object]]
) -> dict[str, Sequence[Quantizable]]:
    """Return layers by the names of their precisions; one of a group that drops or narrows something needs another.

    Raises:
        UsageError: that other name is taken.
    """
    found: dict[str, Sequence[Quantizable]] = {}
    for name, members in layers.items():
        own = f"{name}{PRECISION}" if others[name] else name
        if own in found or (own != name and own in others):
            raise UsageError(
                f"{own!r} is the precision of the group {own.removesuffix(PRECISION)!r}, and of another "
                "choice too: rename the group"
            )
        found[own] = members
    return found


def _nothing(narrower: bool) -> str:
    if not narrower:
        return "nothing in this network can be dropped: no operation keeps its shape, and no branch ends in an addition"
    return (
        "nothing in this network can be dropped or narrowed: no operation keeps its shape, no branch ends in "
        "an addition, and no two layers share hidden units"
    )


def _slimmable(widths: Widths, fractions: Sequence[float], multiple: int) -> list[Slimmable]:
    every = [Slimmable(number, group) for number, group in enumerate(widths.groups)]
    return [one for one in every if kept_units(one.group, fractions[-1], multiple) < one.group.units]
