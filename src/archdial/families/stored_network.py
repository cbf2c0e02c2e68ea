"""From a stored description to a network: nothing it names is run, and nothing that does not fit is created."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archdial.common.errors import UsageError, cut, first_line, unknown
from archdial.common.validation import conforming, validated
from archdial.data import Normalize
from archdial.families.family import Family
from archdial.families.family_file import ChoiceFile, FamilyFile, GatesFile, SourceFile
from archdial.families.stored_choices import runs_of, space_of
from archdial.networks.cells import FROM_SCRATCH
from archdial.networks.cells.edges import EdgeNetwork, EdgePlan
from archdial.networks.example import Inputs, shapes_of
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.closed import ClosedNetwork
from archdial.networks.graph.source import is_code, make_model
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import Supernet

_SOME, _EACH = 2_000, 20
"""Operations that a network may have, and for each tensor of its weights: most operations have several, some none."""
_BODY = "body."
"""Before the names of a gated network's parameters; built members do without."""


def open_network(
    value: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    model: nn.Module | None,
    trust: bool,
    choices: Sequence[ChoiceFile] | None,
) -> Supernet:
    """Return the network of a family, which its file describes by `value`, with new weights.

    Args:
        tensors: the weights that will be put into it, by which a plan that is too large is told before it is made.
        model: that the gates are put on, if the caller has it.
        trust: call the code that the file names.
        choices: of the family; they make a network that stays closed, where its code is not called.

    Raises:
        UsageError: the kind is unknown, the plan cannot be or does not fit `tensors`, or it is closed without choices.
    """
    if plan := _from_scratch(value, model):
        _check_cells(plan, value, tensors)
        _check_plan(lambda: plan.from_json(value), tensors)
        return plan.from_json(value)
    file = validated(GatesFile, value, "network")
    if model is None and (why := _missing(file.source, trust)):
        if choices is None:
            raise UsageError(why)
        return ClosedNetwork(value, space_of(choices), why, runs_of(choices))
    if model is None and file.source is not None and not is_code(file.source.name):
        name, width, shape, classes = file.source.name, file.source.width, file.source.input_shape, file.source.classes
        _check_plan(lambda: make_model(name, width, shape, classes), tensors, _BODY)
    return _gated(file, value, model, trust)


def open_member(
    value: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    model: nn.Module | None,
    trust: bool,
    taken: Mapping[str, str],
    merged: Sequence[Sequence[str]] = (),
) -> tuple[nn.Module, Inputs]:
    """Return a member with the weights `tensors`, and an example of its inputs.

    Of a network that archdial can make, only what the member uses is ever made; all of it could be of any size.

    Args:
        value: by which a file describes the network; `model` and `trust` are as for `open_network`.
        taken, merged: the option at each choice, and rows of layers that were made one.

    Raises:
        UsageError: the kind is unknown, the plan cannot be or does not fit `tensors`, or its code is not to be called.
    """
    if plan := _from_scratch(value, model):
        _check_cells(plan, value, tensors).space().parse(taken)
        return _made_alone(lambda: plan.from_json(value), tensors, taken, merged)
    file = validated(GatesFile, value, "network")
    if model is None and (why := _missing(file.source, trust)):
        raise UsageError(why)
    if model is None and file.source is not None and not is_code(file.source.name):
        return _made_alone(lambda: _gated(file, value, None, trust), tensors, taken, merged)
    network = _gated(file, value, model, trust)
    module = network.merge(network.build(network.space.parse(taken)).eval(), merged)
    load_state(module, tensors, "member")
    return module, network.example


def _made_alone(
    make: Callable[[], Supernet],
    tensors: Mapping[str, Tensor],
    taken: Mapping[str, str],
    merged: Sequence[Sequence[str]],
) -> tuple[nn.Module, Inputs]:
    """Return the member, cut from a network without memory."""
    with torch.device("meta"), _Unfilled():
        network = make()
    module = network.merge(network.build(network.space.parse(taken)), merged)
    _check_fit(module.state_dict(), tensors)
    module = module.to_empty(device="cpu")
    load_state(module, tensors, "member")
    return module, network.example


def _from_scratch(value: Mapping[str, Any], model: nn.Module | None) -> type[EdgeNetwork] | None:
    """Return the kind of cells that a file names; None where it names gates."""
    kind = str(value.get("kind"))
    if kind == GatedNetwork.kind:
        return None
    if kind not in FROM_SCRATCH:
        raise unknown("network", kind, [*FROM_SCRATCH, GatedNetwork.kind])
    if model is not None:
        raise UsageError("this is a family of cells, which needs no model: omit it")
    return FROM_SCRATCH[kind]


def _missing(source: SourceFile | None, trust: bool) -> str | None:
    """Return why gates cannot be put on anything where no model was handed over; None if they can."""
    if source is None:
        return _unnamed()
    return _untrusted(source.name) if is_code(source.name) and not trust else None


def _gated(file: GatesFile, value: Mapping[str, Any], model: nn.Module | None, trust: bool) -> GatedNetwork:
    # Of the source what the validator knows: other keys would be arguments of `make_model`.
    known = None if file.source is None else {**asdict(file.source), "input_shape": list(file.source.input_shape)}
    # As the validator read it, to which 8.0 is 8.
    read = {"source": known, "input_shape": list(file.input_shape)}
    if file.inputs is not None:
        read["inputs"] = asdict(file.inputs)
    if file.widths:
        read["widths"] = {name: asdict(width) for name, width in file.widths.items()}
    return GatedNetwork.from_json({**value, **read}, model, trust=trust)


def _unnamed() -> str:
    return (
        "this family was searched on your own model, and only its weights are stored here: pass model=…, or on the "
        "command line --model module:callable, a callable that returns it"
    )


def _untrusted(name: str) -> str:
    return (
        f"its model is made by {cut(name)}, code named only by a file, so it is not called: pass --model {cut(name)} "
        "(model=… in Python), or --trust (trust=True) if you trust the author of this folder"
    )


def _check_plan(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Refuse a plan whose tensors are not those of the file, before memory is taken for them, or much time."""
    with torch.device("meta"), _Unfilled(len(tensors)):
        _check_fit({prefix + name: tensor for name, tensor in make().state_dict().items()}, tensors)


def _check_fit(planned: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if name not in planned:
            raise UsageError(
                f"the weights contain {cut(name)}, but the network does not: restore a copy of the whole folder"
            )
        if tensor.shape != planned[name].shape:
            shapes = f"{tuple(tensor.shape)}, but the network expects {tuple(planned[name].shape)}"
            raise UsageError(f"the weights contain {cut(name)} of shape {shapes}: restore a copy of the whole folder")
        _check_type(name, tensor, planned[name])
    if missing := next((name for name in planned if name not in tensors), None):
        raise UsageError(f"the weights lack {missing}: restore a copy of the whole folder")


def _check_cells(made: type[EdgeNetwork], value: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> EdgePlan:
    """Return the plan of a network of cells, unless it has far more cells or operations than there are weights."""
    plan: Any = conforming(made.plan_type, {name: item for name, item in value.items() if name != "kind"}, "network")
    operations = plan.cells * len(plan.space().choices) * len(plan.operations)
    if plan.cells > len(tensors) or operations > _SOME + _EACH * len(tensors):
        raise UsageError(
            f"network.cells is {plan.cells}, with {operations:,} operations, but there are {len(tensors)} weights: the "
            "network needs more; restore a copy"
        )
    found: EdgePlan = plan
    return found


def _check_type(name: str, tensor: Tensor, own: Tensor) -> None:
    """Raise UsageError where `tensor` is of another kind of numbers than `own`; how many bits they have is free."""
    kinds = [(one.is_complex(), one.is_floating_point(), one.element_size() > 1) for one in (tensor, own)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"the weights contain {cut(name)} of {tensor.dtype}, expected {own.dtype}: restore a copy")


class _Unfilled(TorchFunctionMode):
    """Leaves new parameters as they are: filling takes most of the time even where there is no memory to fill.

    Args:
        weights: in the file. A network that makes far more tensors, for whatever, is stopped on its way. It is counted
            here, in this thread alone, as a hook of torch would see what others make too.
    """

    def __init__(self, weights: int | None = None) -> None:
        super().__init__()
        self._weights = weights
        self._made = 0

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__module__", "") == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        self._made += function in _MAKING
        if self._weights is not None and self._made > 2 * self._weights + _PASSING:
            raise UsageError(f"there are {self._weights:,} weights, but the network needs more: restore a copy")
        return function(*args, **(kwargs or {}))


_MAKING = frozenset((torch.empty, torch.zeros, torch.ones, torch.full, torch.tensor, torch.rand, torch.randn))
_PASSING = 100
"""Tensors that making a network may take and not keep; and once more as many as it keeps."""


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Put `tensors` into `module`, or raise UsageError with the first that does not fit."""
    try:
        module.load_state_dict(dict(tensors))
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise UsageError(
            f"its weights do not fit the {what} ({cut(' '.join(lines[1:2]) or first_line(error), 200)})"
        ) from None


def recall(network: Supernet, tensors: Mapping[str, Tensor]) -> None:
    """Let `network` remember how it came, or raise UsageError where `tensors` are not its own."""
    own = network.state_dict()
    if tensors and not isinstance(network, Pretrained):
        raise UsageError("it contains untouched weights, but cells have none: restore a copy of the whole folder")
    for name, tensor in tensors.items():
        known = own.get(_BODY + name, own.get(name))
        if known is None or known.shape != tensor.shape:
            raise UsageError(f"its untouched weights have {cut(name)}, which does not fit the network: restore a copy")
        _check_type(name, tensor, known)
    if isinstance(network, Pretrained):
        network.recall(tensors)


def check_names(tensors: Mapping[str, Tensor]) -> None:
    """Raise UsageError where a family's weights have something that belongs to no part of it."""
    for name in tensors:
        if name.partition(".")[0] not in ("network", "hypernet", "predictor", "untouched", "calibration", "refined"):
            raise UsageError(f"its weights contain {cut(name)!r}, which belongs to no part of a family: restore a copy")


def check_calibration(images: Tensor | None, file: FamilyFile) -> None:
    """Raise UsageError unless the family holds images for BatchNorm's statistics, of the network's shape."""
    if images is None or images.dtype != torch.uint8 or images.dim() != 4 or not len(images):
        raise UsageError("its weights contain no calibration images, uint8 (n, c, h, w): restore a copy")
    shape = file.network.get("input_shape")
    if isinstance(shape, list) and shape != list(images.shape[1:]):
        raise UsageError(
            f"network.input_shape is {cut(str(shape))}, but its images have {list(images.shape[1:])}: restore a copy"
        )


def check_channels(
    shape: Sequence[int], normalize: Normalize | None, classes: Sequence[str], module: nn.Module
) -> None:
    """Raise UsageError unless normalisation and classes are those of a network for inputs of `shape`."""
    if normalize is not None and len(shape) == 3 and len(normalize.mean) != shape[0]:
        raise UsageError(f"normalize has {len(normalize.mean)} channels, but the network expects {shape[0]}")
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if linear and classes and isinstance(module, EdgeNetwork) and linear[-1].out_features != len(classes):
        raise UsageError(f"there are {len(classes)} classes, but the network has {linear[-1].out_features}")


def check_together(family: Family) -> None:
    """Raise UsageError where parts of a family contradict each other."""
    space, shape = family.space, shapes_of(family.network.example)[0]
    check_channels(shape, family.normalize, family.classes, family.network)
    images = family.calibration
    if isinstance(images, Tensor) and tuple(images.shape[1:]) != tuple(shape):
        raise UsageError(f"its images have shape {tuple(images.shape[1:])}, but the network expects {tuple(shape)}")
    views = [family] if family.devices is None else [family.on(name) for name in family.device_names]
    for view in views:
        if view.dial.features != view.hypernet.features:
            asked = f"{view.dial.features} numbers per position, but its hypernetwork {view.hypernet.features}"
            raise UsageError(f"its dial has {asked}: restore a copy")
        if (kinds := tuple(getattr(view.dial, "kinds", ()))) and kinds != space.kinds:
            raise UsageError(f"its dial has the kinds {', '.join(map(cut, kinds))}, but its space has others")
        view.table.check(space, "its cost table")
        if not view.table.has(family.column):
            raise UsageError(f"its cost table has no {family.column}, which its dial trades off: restore a copy")
