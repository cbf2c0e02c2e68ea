"""From what a file says of a network to the network: nothing is run that it names, nothing made that does not fit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from archdial.common.errors import UsageError, cut, first_line, unknown
from archdial.common.validation import conforming, validated
from archdial.data import Normalize
from archdial.families.family import Family
from archdial.families.family_file import ChoiceFile, FamilyFile, GatesFile
from archdial.networks.cells.edges import EdgeNetwork
from archdial.networks.cells.nas_bench_201 import NasBench201
from archdial.networks.cells.network import CellNetwork
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.closed import ClosedNetwork
from archdial.networks.graph.source import is_code, make_model
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import Supernet
from archdial.space import Choice, Space

FROM_SCRATCH: dict[str, type[EdgeNetwork]] = {kind.kind: kind for kind in (CellNetwork, NasBench201)}
_BODY = "body."
"""Before the names of a gated network's parameters; built members do without."""


def open_network(
    value: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    model: nn.Module | None,
    trust: bool,
    *,
    choices: Sequence[ChoiceFile] | None = None,
    taken: Mapping[str, str] | None = None,
) -> Supernet:
    """Return the network that a file describes by `value`, with new weights.

    Args:
        tensors: the weights that will be put into it, by which a plan that is too large is told before it is made.
        model: that the gates are put on, if the caller has it.
        trust: call the code that the file names.
        choices: of a family; they make a network that stays closed, where its code is not called.
        taken: of a member the option at each choice; `tensors` are then what it uses, under the names of the model.

    Raises:
        UsageError: the kind is unknown, the plan cannot be or does not fit `tensors`, or it is closed without choices.
    """
    kind = str(value.get("kind"))
    if kind in FROM_SCRATCH:
        if model is not None:
            raise UsageError("this is a family of cells, which needs no model: leave out the model")
        made = FROM_SCRATCH[kind]
        if taken is not None:
            _check_member(made, value, tensors, taken)
        _check_plan(lambda: made.from_json(value), tensors, "", taken is not None)
        return made.from_json(value)
    if kind != GatedNetwork.kind:
        raise unknown("network", kind, [*FROM_SCRATCH, GatedNetwork.kind])
    return _open_gates(validated(GatesFile, value, "network"), value, tensors, model, trust, choices, taken is not None)


def _open_gates(
    file: GatesFile,
    value: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    model: nn.Module | None,
    trust: bool,
    choices: Sequence[ChoiceFile] | None,
    built: bool,
) -> Supernet:
    source = file.source
    if model is None and (source is None or (is_code(source.name) and not trust)):
        why = _unnamed() if source is None else _untrusted(source.name)
        if choices is None:
            raise UsageError(why)
        return ClosedNetwork(value, space_of(choices), why)
    if model is None and source is not None and not is_code(source.name):
        name, width, shape, classes = source.name, source.width, source.input_shape, source.classes
        _check_plan(lambda: make_model(name, width, shape, classes), tensors, "" if built else _BODY, built)
    # Of the source what the validator knows: other keys would be arguments of `make_model`.
    known = None if source is None else {**asdict(source), "input_shape": list(source.input_shape)}
    return GatedNetwork.from_json({**value, "source": known}, model, trust=trust)


def space_of(choices: Sequence[ChoiceFile]) -> Space:
    """Return the space that a file spells out."""
    return Space(tuple(Choice(one.name, one.options, one.kinds) for one in choices))


def _unnamed() -> str:
    return (
        "this family was searched on a model of your own, whose weights are here: pass it as model=…, or name a "
        "callable that makes it by --model module:callable on the command line"
    )


def _untrusted(name: str) -> str:
    return (
        f"its model is made by {cut(name)}, code that a file may not call: name it yourself by --model {cut(name)} "
        "(model=… in Python), or by --trust (trust=True) if you trust whoever made this folder"
    )


def _check_plan(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], prefix: str, built: bool) -> None:
    """Refuse a plan whose tensors are not those of the file, before memory is taken for them, or much time."""
    with torch.device("meta"), _Unfilled(), _at_most(None if built else len(tensors)):
        planned = {prefix + name: tensor.shape for name, tensor in make().state_dict().items()}
    for name, tensor in tensors.items():
        if name not in planned:
            raise UsageError(
                f"the weights have {cut(name)}, and the network has not: restore a copy of the whole folder"
            )
        if tensor.shape != planned[name]:
            shapes = f"{tuple(tensor.shape)}, and the network asks for {tuple(planned[name])}"
            raise UsageError(f"the weights have {cut(name)} of shape {shapes}: restore a copy of the whole folder")
    if not built and (missing := next((name for name in planned if name not in tensors), None)):
        raise UsageError(f"the weights lack {missing}: restore a copy of the whole folder")


def _check_member(
    made: type[EdgeNetwork], value: Mapping[str, Any], tensors: Mapping[str, Tensor], taken: Mapping[str, str]
) -> None:
    """Refuse the plan of a member that has other choices, or fewer weights than cells, before it is made."""
    plan: Any = conforming(made.plan_type, {name: item for name, item in value.items() if name != "kind"}, "network")
    plan.space().parse(taken)
    if plan.cells > len(tensors):
        raise UsageError(f"network.cells is {plan.cells}, and there are {len(tensors)} weights: restore a copy")


class _Unfilled(TorchFunctionMode):
    """Leaves new parameters as they are: filling takes most of the time even where there is no memory to fill."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__module__", "") == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return function(*args, **(kwargs or {}))


@contextmanager
def _at_most(count: int | None) -> Iterator[None]:
    """Stop making a network as soon as it has more than `count` parameters, if that is given."""
    if count is None:
        yield
        return
    left, here = count, threading.get_ident()

    def taken(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if threading.get_ident() == here and parameter is not None:
            left -= 1
            if left < 0:
                raise UsageError(f"the weights are {count:,}, and the network asks for more: restore a copy")

    handle = register_module_parameter_registration_hook(taken)
    try:
        yield
    finally:
        handle.remove()


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
        raise UsageError("it has untouched weights, and cells come without any: restore a copy of the whole folder")
    for name, tensor in tensors.items():
        known = own.get(_BODY + name, own.get(name))
        if known is None or known.shape != tensor.shape:
            raise UsageError(f"its untouched weights have {cut(name)}, which does not fit the network: restore a copy")
    if isinstance(network, Pretrained):
        network.recall(tensors)


def check_names(tensors: Mapping[str, Tensor]) -> None:
    """Raise UsageError where a family's weights have something that belongs to no part of it."""
    for name in tensors:
        if name != "calibration" and name.partition(".")[0] not in ("network", "hypernet", "predictor", "untouched"):
            raise UsageError(f"its weights have {cut(name)!r}, which no part of a family has: restore a copy")


def check_calibration(images: Tensor | None, file: FamilyFile) -> None:
    """Raise UsageError unless the family holds images for BatchNorm's statistics, of the network's shape."""
    if images is None or images.dtype != torch.uint8 or images.dim() != 4 or not len(images):
        raise UsageError("its weights hold no calibration images, uint8 (n, c, h, w): restore a copy")
    shape = file.network.get("input_shape")
    if isinstance(shape, list) and shape != list(images.shape[1:]):
        raise UsageError(
            f"network.input_shape is {cut(str(shape))}, its images have {list(images.shape[1:])}: restore a copy"
        )


def check_channels(shape: Sequence[int], normalize: Normalize, classes: Sequence[str], module: nn.Module) -> None:
    """Raise UsageError unless normalisation and classes are those of a network for inputs of `shape`."""
    if len(shape) == 3 and len(normalize.mean) != shape[0]:
        raise UsageError(f"normalize has {len(normalize.mean)} channels, and the network takes {shape[0]}")
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if linear and classes and isinstance(module, EdgeNetwork) and linear[-1].out_features != len(classes):
        raise UsageError(f"there are {len(classes)} classes, and the network tells {linear[-1].out_features} apart")


def check_together(family: Family) -> None:
    """Raise UsageError where parts of a family contradict each other."""
    space, shape = family.space, family.network.input_shape
    check_channels(shape, family.normalize, family.classes, family.network)
    if tuple(family.calibration.shape[1:]) != tuple(shape):
        raise UsageError(f"its images have {tuple(family.calibration.shape[1:])}, and the network takes {tuple(shape)}")
    views = [family] if family.devices is None else [family.on(name) for name in family.device_names]
    for view in views:
        if view.dial.features != view.hypernet.features:
            asked = f"{view.dial.features} numbers a position, and its hypernetwork {view.hypernet.features}"
            raise UsageError(f"its dial has {asked}: restore a copy")
        if (kinds := tuple(getattr(view.dial, "kinds", ()))) and kinds != space.kinds:
            raise UsageError(f"its dial has the kinds {', '.join(map(cut, kinds))}, and its space others")
        view.table.check(space, "its cost table")
        if not view.table.has(family.column):
            raise UsageError(f"its cost table has no {family.column}, which its dial trades: restore a copy")
