"""Where a gated network's model comes from, as JSON: a backbone of archdial, or a callable of the user's code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from archdial.common.errors import UsageError, cut, first_line, reason
from archdial.common.torch_file import load_saved
from archdial.networks.backbones import BACKBONES, make_backbone


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
        raise UsageError(
            f"the model {cut(name)} is code that a file may not call: name it yourself by --model {cut(name)}, or add "
            "--trust if you trust whoever wrote the file"
        )
    return called_model(name)


def called_model(name: str) -> nn.Module:
    """Return the model that `module:callable` makes, as the person at the keyboard asked for it.

    Raises:
        UsageError: it cannot be called, or gives no module.
    """
    if not is_code(name):
        raise UsageError(f"--model {cut(name)}: expected module:callable, as mypackage.models:make")
    model = _called(name)
    if not isinstance(model, nn.Module):
        raise UsageError(f"{name} returned a {type(model).__name__}: expected a torch.nn.Module")
    return model


def _called(name: str) -> Any:
    path, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(path), attribute)()
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"model {name!r}: {error}; run where {path} can be imported, or add its folder to PYTHONPATH"
        ) from None
    except AttributeError:
        known = ", ".join(BACKBONES)
        raise UsageError(f"model {name!r}: {path} has no {attribute!r}; name a callable, or one of {known}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"model {name!r}: calling it without arguments failed with {reason(error)}") from error


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Return `model` with the weights in `path`, a .safetensors file or a state dict that torch saved.

    Raises:
        UsageError: the file is missing or damaged, or its first keys that differ from the model's are named.
    """
    state = _read(path)
    own = model.state_dict()
    missing, extra = [k for k in own if k not in state], [k for k in state if k not in own]
    if missing or extra:
        raise UsageError(
            f"weights {path} do not fit {type(model).__name__}: {_some('missing', missing)}{_some('unknown', extra)}"
            "name the weights of this model"
        )
    for name, tensor in own.items():
        if fault := misfit(state[name], tensor):
            raise UsageError(f"weights {path}: {name} {fault}")
    model.load_state_dict(state)
    return model


def misfit(found: Tensor, own: Tensor) -> str:
    """Return what is wrong with `found` as a value of `own`, and what to do; nothing where it fits."""
    if found.layout is not torch.strided or found.is_nested or found.is_quantized or found.is_meta:
        return "is sparse, quantised or without values: save model.state_dict() of the network as it is trained"
    if found.is_complex() != own.is_complex() or found.is_floating_point() < own.is_floating_point():
        return f"is of {found.dtype}, expected {own.dtype}: name the weights of this model"
    if found.shape != own.shape:
        return f"has shape {tuple(found.shape)}, expected {tuple(own.shape)}: name the weights of this model"
    # As the model will have it: what is finite in more bits may not be in fewer, and of some types torch cannot say.
    if own.is_floating_point() and not found.to(own.dtype).isfinite().all():
        return "holds NaN or infinity: train the network again, or restore a copy"
    return ""


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state dict of `model` to `path`, a .safetensors file; what two names share is written under both."""
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    path.write_bytes(save(tensors))


def _some(word: str, names: list[str]) -> str:
    return f"{word} {', '.join(names[:3])}{' …' if len(names) > 3 else ''}; " if names else ""


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"no weights at {path}: name an existing file")
    try:
        value = load_file(path) if path.suffix == ".safetensors" else load_saved(path, older=True)
    except SafetensorError as error:
        raise UsageError(f"weights {path} are damaged ({cut(first_line(error), 200)}): restore a copy") from None
    except Exception as error:
        raise UsageError(
            f"weights {path} cannot be read without running code ({type(error).__name__}): save model.state_dict(), "
            "best as .safetensors"
        ) from None
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items()):
        raise UsageError(f"weights {path} hold no state dict: save model.state_dict(), best as .safetensors")
    return value
