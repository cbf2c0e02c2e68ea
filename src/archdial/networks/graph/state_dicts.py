"""Finding one network's state dict in what people save: under names, prefixes, and next to other data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from archdial.common.errors import cut

PLAIN = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params")
"""Names under which programs save the weights of a model, the likeliest first."""

AVERAGED = ("ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model", "params_ema")
"""The same of their running average, which is taken where there is nothing else."""

_PREFIXES = tuple(f"{name}." for name in ("module", "_orig_mod", "backbone", *PLAIN, *AVERAGED))
_WRAPPERS = frozenset({"module", "_orig_mod"})
"""What DataParallel and torch.compile put before names, in their middle too where a part of the network was wrapped."""
_OF_AVERAGES = tuple(f"{name}." for name in AVERAGED)
_DEEPEST = 4
"""Names, or prefixes, within each other."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class State:
    """A state dict as a file has it.

    Attributes:
        tensors: by the names of the file, or without their prefixes.
        is_average: it is a running average of weights, for there was nothing else.
        has_average: an average stands beside it.
    """

    tensors: dict[str, Tensor]
    is_average: bool = False
    has_average: bool = False


def found_in(value: Any) -> State | None:
    """Return the state dict in what a file holds; None where there is none under a name that is known."""
    return _found(value, set(), _DEEPEST)


def _found(value: Any, seen: set[int], depth: int) -> State | None:
    if not isinstance(value, dict) or id(value) in seen:
        return None
    seen.add(id(value))
    # One from a file may have attributes in the place of methods.
    items = dict(dict.items(value))
    if all(isinstance(name, str) and isinstance(item, Tensor) for name, item in items.items()):
        return State(items) if items else None
    if not depth:
        return None
    inner = ((name, _found(items.get(name), seen, depth - 1)) for name in (*PLAIN, *AVERAGED))
    name, state = next(((name, state) for name, state in inner if state is not None), ("", None))
    if state is None:
        return None
    if name in AVERAGED:
        return replace(state, is_average=True)
    beside = any(isinstance(items.get(other), dict) and items[other] for other in AVERAGED)
    return replace(state, has_average=state.has_average or beside)


def instead(value: Any) -> str:
    """Return what stands in a file where a state dict should."""
    if not isinstance(value, dict):
        return f"a {type(value).__name__}"
    items = dict(dict.items(value))
    others = [_told(name, item) for name, item in items.items() if not (_is_name(name) and isinstance(item, Tensor))]
    return f"{', '.join(others[:3])}{' …' if len(others) > 3 else ''}" if others else "nothing"


def _is_name(name: Any) -> bool:
    return isinstance(name, str)


def _told(name: Any, item: Any) -> str:
    told = cut(name, 40) if _is_name(name) else f"a key of type {type(name).__name__}"
    return f"{told} ({type(item).__name__})"


def without_prefixes(state: State, own: Iterable[str]) -> State:
    """Return `state` without the prefixes that most of its names have, where more of them are then names of `own`."""
    names = frozenset(own)
    best, now = _without_wrappers(state, names), state
    for _ in range(_DEEPEST):
        prefix = _prefix(now.tensors)
        shorter = {name.removeprefix(prefix): tensor for name, tensor in now.tensors.items()}
        if not prefix or len(shorter) < len(now.tensors):
            break
        now = State(shorter, now.is_average or prefix in _OF_AVERAGES, now.has_average)
        fitting = _without_wrappers(now, names)
        if len(names & fitting.tensors.keys()) > len(names & best.tensors.keys()):
            best = fitting
    return best


def _without_wrappers(state: State, own: frozenset[str]) -> State:
    """Return `state` with those names that are none of `own` but for what wrappers put into them as `own` has them."""
    known = {_bare(name): name for name in own}
    found = {name: known.get(_bare(name), name) for name in state.tensors if name not in own}
    taken = Counter([*(own & state.tensors.keys()), *found.values()])
    new = {name: other for name, other in found.items() if taken[other] == 1}
    return replace(state, tensors={new.get(name, name): tensor for name, tensor in state.tensors.items()})


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    """Return the prefix that most names have; averages count only where there is nothing else."""
    counted = [name for name in tensors if not name.startswith(_OF_AVERAGES)] or list(tensors)
    return next((p for p in _PREFIXES if 2 * sum(name.startswith(p) for name in counted) > len(counted)), "")


def of_deeper_network(names: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return those of `names` that are called as weights of `own` but for their numbers: further layers."""
    kinds = {_NUMBER.sub("#", name) for name in own}
    return [name for name in names if _NUMBER.sub("#", name) in kinds]


def of_tied(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return what `tensors` lack under one name of a parameter or buffer of `model` and have under another.

    Some programs save what is tied under one name alone.
    """
    own = model.state_dict(keep_vars=True)
    found = {id(value): tensors[name] for name, value in own.items() if name in tensors}
    return {name: found[id(value)] for name, value in own.items() if name not in tensors and id(value) in found}
