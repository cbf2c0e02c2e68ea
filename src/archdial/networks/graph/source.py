"""The origin of a gated network's model, as JSON: one of archdial's backbones, or a callable in the user's code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from archdial.common.errors import Notice, UsageError, cut, readable
from archdial.common.own_code import called_code, refused_code
from archdial.networks.backbones import BACKBONES, make_backbone
from archdial.networks.graph.capture.unwrapped import bare
from archdial.networks.graph.state_dicts import State, of_deeper_network, of_tied, without_prefixes
from archdial.networks.graph.weights_file import read_state


def is_code(name: str) -> bool:
    """Tell whether a model of that name is made by code that is not archdial's."""
    return ":" in name


def make_model(
    name: str, width: int | None, input_shape: Sequence[int], classes: int, *, trust: bool = False
) -> nn.Module:
    """Return the model called `name`: a backbone, or `module:callable`, called without arguments.

    Args:
        trust: the name comes from the person who started this, or that person said to call what a file names.

    Raises:
        UsageError: there is none, the callable gives no module, or it is not to be called.
    """
    if not is_code(name):
        return make_backbone(name, width, input_shape[0], classes)
    if not trust:
        raise refused_code(name, "model", "--model")
    return called_model(name)


def called_model(name: str) -> nn.Module:
    """Return the model that `module:callable` makes, as the person at the keyboard asked for it.

    Raises:
        UsageError: it cannot be called, or gives no module.
    """
    if not is_code(name):
        raise UsageError(f"--model {cut(name)}: expected module:callable, such as mypackage.models:make")
    model = called_code(name, "model", f", or one of {', '.join(BACKBONES)}")
    if not isinstance(model, nn.Module):
        raise UsageError(f"{name} returned a {type(model).__name__}: expected a torch.nn.Module")
    return model


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Return `model` with the weights in `path`, a .safetensors file or a checkpoint that torch saved.

    They may lie under a name, as `state_dict`, behind prefixes, as `module.`, and in another precision. What is passed
    over or cast is said by a `Notice`.

    Raises:
        UsageError: the file is missing or damaged, or its first keys that differ from the model's are named.
    """
    target = bare(model)
    own = target.state_dict()
    state = without_prefixes(read_state(path), own)
    tied = of_tied(state.tensors, target)
    extra = _checked_names(state.tensors, own, tied, f"weights {path} do not fit {type(target).__name__}")
    loaded = {name: tied.get(name, state.tensors.get(name, tensor)) for name, tensor in own.items()}
    if fault := other_head(loaded, own):
        raise UsageError(f"weights {path}: {fault}")
    for name, tensor in own.items():
        if fault := misfit(loaded[name], tensor):
            raise UsageError(f"weights {path}: {name} {fault}")
    target.load_state_dict(loaded)
    _say(path, state, extra, [(loaded[name], own[name]) for name in own])
    return model


def _checked_names(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], tied: Mapping[str, Tensor], what: str
) -> list[str]:
    """Return the names that the model has not; raise UsageError where it has some that are missing."""
    # Torch before 0.4.1 counted no batches, and the count changes nothing in evaluation.
    needed = [name for name in own if name.rpartition(".")[2] != "num_batches_tracked"]
    missing = [name for name in needed if name not in found and name not in tied]
    extra = [name for name in found if name not in own]
    if missing:
        raise UsageError(
            f"{what}: {_some('missing', missing, len(own))}{_some('unknown', extra, len(found))}pass the weights of "
            "this model"
        )
    if deeper := of_deeper_network(extra, own):
        raise UsageError(
            f"{what}: {_some('unknown', deeper, len(found))}they belong to a deeper network; pass the weights "
            "of this model, or create the model that they belong to"
        )
    return extra


def _say(path: Path, state: State, extra: list[str], pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Warn of what was taken otherwise than it stands in the file."""
    said = []
    if state.is_average:
        said.append(f"{path} contains only a running average (EMA) of the weights, which was loaded")
    elif state.has_average:
        said.append(f"loaded the weights from {path}, not their running average (EMA); to load that, save it alone")
    if extra:
        keys = "1 key" if len(extra) == 1 else f"{len(extra)} keys"
        said.append(f"ignored {keys} of {path} that the model does not have: {_first(extra)}")
    cast = [(found.dtype, own.dtype) for found, own in pairs if own.is_floating_point() and found.dtype != own.dtype]
    for found, own in dict.fromkeys(cast):
        said.append(f"cast {cast.count((found, own))} of {len(pairs)} tensors of {path} from {found} to {own}")
    for sentence in said:
        warnings.warn(readable(sentence), Notice, stacklevel=3)


def other_head(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Return what is wrong where all that differs is how many outputs the last layer has; else nothing."""
    differ = [name for name, tensor in own.items() if found[name].shape != tensor.shape]
    shapes = [(found[name].shape, own[name].shape) for name in differ]
    if not any(len(a) > 1 for a, _ in shapes) or any(not a or not b or a[1:] != b[1:] for a, b in shapes):
        return ""
    if len({(a[0], b[0]) for a, b in shapes}) > 1:
        return ""
    (theirs, ours), name = shapes[0], differ[0]
    return (
        f"{name} has shape {tuple(theirs)}, expected {tuple(ours)}: its head has {theirs[0]} outputs instead of "
        f"{ours[0]}; create the model with {theirs[0]}, or pass weights trained with {ours[0]}"
    )


def misfit(found: Tensor, own: Tensor) -> str:
    """Return what is wrong with `found` as a value of `own`, and what to do; nothing where it fits."""
    if found.layout is not torch.strided or found.is_nested or found.is_quantized or found.is_meta:
        return "is sparse, quantised or without values: save model.state_dict() of the trained network"
    if found.is_complex() != own.is_complex() or found.is_floating_point() < own.is_floating_point():
        return f"is {found.dtype}, expected {own.dtype}: pass the weights of this model"
    if found.shape != own.shape:
        return f"has shape {tuple(found.shape)}, expected {tuple(own.shape)}: pass the weights of this model"
    # As the model will have it: what is finite in more bits may not be in fewer, and of some types torch cannot say.
    if own.is_floating_point() and not found.to(own.dtype).isfinite().all():
        return "contains NaN or infinity: train the network again, or restore a copy"
    return ""


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state dict of `model` to `path`, a .safetensors file; what two names share is written under both."""
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    path.write_bytes(save(tensors))


def _some(word: str, names: list[str], of: int) -> str:
    return f"{word} {_first(names)} ({len(names)} of {of} keys); " if names else ""


def _first(names: list[str]) -> str:
    return f"{', '.join(cut(name) for name in names[:3])}{' …' if len(names) > 3 else ''}"
