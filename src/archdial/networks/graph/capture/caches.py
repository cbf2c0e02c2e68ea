"""Cached results in a network, such as biases: it is captured as if nothing had been cached."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, product

from torch import Tensor, nn

from archdial.common.errors import Notice, UsageError, cut, readable
from archdial.networks.beside import GONE, rebuilt, tensors_in
from archdial.networks.graph.capture.outputs import all_close
from archdial.networks.standalone import copied

Place = tuple[str, str]
"""Name of a module, and of what it holds beside parameters, buffers and submodules."""
Run = Callable[[nn.Module], Sequence[Tensor]]
"""Runs a copy of the network, and returns its outputs."""
_OWN = frozenset(vars(nn.Module()))


def without_caches(model: nn.Module, run: Run) -> nn.Module:
    """Return `model`, or a copy that lacks what its code computes again where it is not there.

    A cache is told from a constant by trying: without it the network runs, gives the same outputs and fills it again.
    What was computed of parameters and is no cache is told of.
    """
    if not _held(model):
        return model
    judge = copy_of(model)
    before = _held(judge)
    expected = run(judge)
    after = _held(judge)
    # What is written at each call needs no emptying, as weights that a hook computes.
    places = [place for place in before if _keeps(before[place], after.get(place, []))]
    found = dict(_caches(model, places, run, expected))
    _tell([place for place in places if place not in found], _held(model))
    return _emptied(model, found) if found else model


@contextmanager
def left_alone(root: nn.Module) -> Iterator[None]:
    """Within, modules of `root` run; what their code keeps of that is taken out again."""
    before = [
        (
            module,
            {name: rebuilt(value, lambda tensor: tensor) for name, value in vars(module).items() if name not in _OWN},
        )
        for module in root.modules()
    ]
    try:
        yield
    finally:
        for module, attributes in before:
            for name in vars(module).keys() - attributes.keys() - _OWN:
                # Tensors that stand in the code are put there by torch.fx.
                if not name.startswith("_tensor_constant"):
                    del vars(module)[name]
            vars(module).update(attributes)


def copy_of(model: nn.Module) -> nn.Module:
    """Return a deep copy of `model`, in evaluation mode.

    Raises:
        UsageError: it holds, in an object of its own, what nobody may copy.
    """
    try:
        return copied(model).eval()
    except RuntimeError as error:
        if "deepcopy protocol" not in str(error):
            raise
        raise UsageError(
            f"{type(model).__name__} cannot be copied, because it caches results in an object of its own: clear "
            "the cache first, or compute it under torch.no_grad()"
        ) from error


def _held(model: nn.Module) -> dict[Place, list[Tensor]]:
    """Return the tensors that modules hold and a state dict does not know of."""
    registered = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    found = {
        (path, name): [tensor for tensor in tensors_in(value) if id(tensor) not in registered]
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if name not in _OWN
    }
    return {place: tensors for place, tensors in found.items() if tensors}


def _keeps(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    return any(one is other for one in before for other in after)


def _caches(
    model: nn.Module, places: Sequence[Place], run: Run, expected: Sequence[Tensor]
) -> Iterator[tuple[Place, bool]]:
    """Yield those of `places` that are caches, and whether they are emptied in the usual way."""

    def kind(place: Place) -> str:
        return f"{type(model.get_submodule(place[0])).__qualname__}.{place[1]}"

    def are_caches(some: Sequence[Place], usual: bool) -> bool:
        tried = _emptied(model, dict.fromkeys(some, usual)).eval()
        try:
            return all_close(run(tried), expected) and set(some) <= _held(tried).keys()
        except Exception:
            return False

    # Modules of one class do alike: a network of many is not run for each.
    for _, group in groupby(sorted(places, key=kind), kind):
        some = list(group)
        for usual in (True, False):
            if are_caches(some, usual):
                yield from product(some, [usual])
                break


def _emptied(model: nn.Module, places: dict[Place, bool]) -> nn.Module:
    """Return a copy of `model` without what it holds in `places`.

    The usual way an attribute is None then, and what stands in a list or dict is gone; the other way round otherwise.
    """
    made = copied(model)
    own = {id(tensor) for tensor in (*made.parameters(), *made.buffers())}
    for (path, name), usual in places.items():
        module = made.get_submodule(path)
        value = vars(module)[name]
        left = rebuilt(value, _put_instead(own, None if isinstance(value, Tensor) == usual else GONE))
        if left is GONE:
            delattr(module, name)
        else:
            setattr(module, name, left)
    return made


def _put_instead(own: Container[int], instead: object) -> Callable[[Tensor], object]:
    return lambda tensor: tensor if id(tensor) in own else instead


def _tell(places: Sequence[Place], held: dict[Place, list[Tensor]]) -> None:
    """Warn of what was computed of parameters, and that the network does not compute again."""
    computed = [".".join(filter(None, place)) for place in places if any(one.requires_grad for one in held[place])]
    if computed:
        sentence = (
            f"{cut(', '.join(computed), 200)} requires a gradient but is not a parameter, and forward does not "
            "recompute it: members keep its current value, untrained and outside the state dict; compute it in "
            "forward, or make it a parameter"
        )
        warnings.warn(readable(sentence), Notice, stacklevel=6)
