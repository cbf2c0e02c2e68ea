"""The code of a member in plain PyTorch, as text: what `huggingface` writes next to the weights."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from torch import fx

from archdial.common.errors import UsageError

CODE = "modeling_member.py"

_PLAIN = ("torch", "math", "operator", "_operator", "builtins", "typing")
"""Packages that any machine with PyTorch has."""

_TEMPLATE = '''"""A network found with archdial, as plain PyTorch; neither archdial nor pickle is needed.

    transformers.AutoModel.from_pretrained(FOLDER, trust_remote_code=True)
    modeling_member.load(FOLDER)  # without transformers
"""

import json
from pathlib import Path

import torch
from torch import nn
@IMPORTS@
try:
    from transformers import PretrainedConfig, PreTrainedModel
except ImportError:

    class PretrainedConfig:
        def __init__(self, **settings):
            vars(self).update(settings)

    class PreTrainedModel(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config

        def post_init(self):
            pass


class MemberConfig(PretrainedConfig):
    """Layers of torch.nn with their arguments, tensors that belong to none, and names that mean the same."""

    model_type = "archdial_member"

    def __init__(self, layers=None, tensors=None, tied=None, **settings):
        self.layers, self.tensors, self.tied = layers or {}, tensors or {}, tied or {}
        super().__init__(**settings)
        # As transformers 5 asks before it ties anything.
        self.tie_word_embeddings = bool(self.tied)


class MemberModel(PreTrainedModel):
    """The network; inputs and outputs are those of the member."""

    config_class = MemberConfig
    base_model_prefix = ""

    def __init__(self, config):
        super().__init__(config)
        for name, (kind, arguments) in config.layers.items():
            _put(self, name, getattr(nn, kind)(**{key: _tuples(value) for key, value in arguments.items()}))
        for name, tensor in config.tensors.items():
            _put(self, name, _empty(**tensor))
        for name, source in config.tied.items():
            _put(self, name, _at(self, source))
        self._tied_weights_keys = dict(config.tied)
        self.post_init()

    def _init_weights(self, module):
        """All weights come from the file."""

@FORWARD@

def load(folder):
    """Return the network in `folder`, in eval mode."""
    from safetensors.torch import load_file

    folder = Path(folder)
    config = MemberConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model = MemberModel(config)
    found = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    missing = [name for name in found.missing_keys if not name.startswith(tuple(config.tied))]
    if missing or found.unexpected_keys:
        raise ValueError(f"weights do not fit: missing {missing}, unexpected {found.unexpected_keys}")
    return model.eval()


def _empty(shape, dtype, trained):
    values = torch.zeros(shape, dtype=getattr(torch, dtype))
    return nn.Parameter(values) if trained else values


def _at(root, name):
    for part in name.split("."):
        root = getattr(root, part)
    return root


def _put(root, name, value):
    *containers, last = name.split(".")
    for container in containers:
        if container not in root._modules:
            root.add_module(container, nn.Module())
        root = root._modules[container]
    if isinstance(value, nn.Module):
        root.add_module(last, value)
    elif isinstance(value, nn.Parameter):
        root.register_parameter(last, value)
    else:
        root.register_buffer(last, value)


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
'''


def modeling(module: fx.GraphModule) -> str:
    """Return the text of modeling_member.py.

    Raises:
        UsageError: the graph calls a function that is not from torch or Python itself.
    """
    code = module.graph.python_code("self")
    forward = "\n".join(f"    {line}".rstrip() for line in code.src.strip().splitlines())
    used = {name: value for name, value in code.globals.items() if re.search(rf"\b{re.escape(name)}\b", code.src)}
    imports = "".join(f"{_imported(name, value)}\n" for name, value in sorted(used.items()) if name != "torch")
    return _TEMPLATE.replace("@IMPORTS@", imports).replace("@FORWARD@", f"{forward}\n")


def _imported(name: str, value: Any) -> str:
    """Return the line that gives `value` its name."""
    if isinstance(value, ModuleType):
        return _from(value.__name__, f"import {value.__name__} as {name}")
    if isinstance(value, float):
        return f"from math import {name}"
    if isinstance(value, str):
        # An annotation that was never evaluated.
        return f"{name} = {value!r}"
    if value is type(None):
        return f"{name} = type(None)"
    home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(home, str) or not isinstance(own, str) or "." in own:
        raise UsageError(f"the network uses {name}, which cannot be imported: use pt2 or onnx")
    return _from(home, f"from {home} import {own}" + ("" if own == name else f" as {name}"))


def _from(package: str, line: str) -> str:
    if package.partition(".")[0] not in _PLAIN:
        raise UsageError(f"the network calls code from {package}, but this format holds torch alone: use pt2 or onnx")
    return line
