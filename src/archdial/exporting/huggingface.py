"""huggingface: a folder as transformers lays it out, that runs with plain PyTorch too."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, fx, nn

from archdial.common.errors import UsageError
from archdial.exporting.file_format import Format, Run
from archdial.exporting.layers import described
from archdial.exporting.modeling import CODE, modeling
from archdial.exporting.signature import Signature

WEIGHTS, CONFIG = "model.safetensors", "config.json"


class HuggingFace(Format):
    """`model.safetensors`, `config.json` and the network's code in plain PyTorch, in one folder.

    With transformers `AutoModel.from_pretrained(folder, trust_remote_code=True)`, else `modeling_member.load(folder)`.
    """

    name = "huggingface"
    suffix = ".safetensors"
    runtime = "eager"

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write weights, config and code; only layers of torch.nn, and functions of torch, can be told as text."""
        if not isinstance(module, fx.GraphModule):
            raise UsageError(f"a {type(module).__name__} has no graph: use pt2 or onnx")
        code = modeling(module)
        tensors, config = _contents(module)
        save_file(tensors, path, metadata={"format": "pt"})
        # Readable, as its neighbours on a hub are.
        path.with_name(CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        path.with_name(CODE).write_text(code, encoding="utf-8")

    def load(self, path: Path) -> Run:
        """Return the network in the folder of `path`. Runs the code there: only for files that were just written."""
        found = importlib.util.spec_from_file_location("modeling_member", path.with_name(CODE))
        assert found is not None
        assert found.loader is not None
        code = importlib.util.module_from_spec(found)
        found.loader.exec_module(code)
        run: Run = code.load(path.parent)
        return run

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return weights, config and code."""
        return path, path.with_name(CONFIG), path.with_name(CODE)

    def check_name(self, path: Path) -> None:
        """Raise UsageError unless `path` is the weights file that transformers looks for in a folder."""
        if path.name != WEIGHTS:
            folder = path.with_suffix("") if path.suffix else path
            raise UsageError(f"{path}: the format {self.name!r} is a folder: use {folder / WEIGHTS}")


def _contents(module: fx.GraphModule) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors by name, each once, and what config.json says."""
    layers, tied = _layers(module)
    within, again = tuple(f"{name}." for name in layers), tuple(f"{name}." for name in tied)
    tensors: dict[str, Tensor] = {}
    own: dict[str, Any] = {}
    first: dict[int, str] = {}
    for name, tensor in _tensors(module):
        if name.startswith(again):
            continue
        if id(tensor) in first:
            tied[name] = first[id(tensor)]
            continue
        first[id(tensor)] = name
        tensors[name] = tensor.detach().contiguous().clone()
        if not name.startswith(within):
            own[name] = _alone(tensor)
    return tensors, {
        "model_type": "archdial_member",
        "architectures": ["MemberModel"],
        "auto_map": {"AutoConfig": "modeling_member.MemberConfig", "AutoModel": "modeling_member.MemberModel"},
        "layers": layers,
        "tensors": own,
        "tied": tied,
    }


def _alone(tensor: Tensor) -> dict[str, Any]:
    """Return what makes a tensor that belongs to no layer."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"shape": list(tensor.shape), "dtype": dtype, "trained": isinstance(tensor, nn.Parameter)}


def _layers(module: fx.GraphModule) -> tuple[dict[str, Any], dict[str, str]]:
    """Return layers by name as data, and the first name of each that has another one."""
    layers: dict[str, Any] = {}
    tied: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, layer in module.named_modules(remove_duplicate=False):
        # fx makes containers again as bare modules; what is within a layer comes with it.
        if not name or type(layer) is nn.Module or name.startswith(tuple(f"{one}." for one in (*layers, *tied))):
            continue
        if id(layer) in first:
            tied[name] = first[id(layer)]
        else:
            first[id(layer)] = name
            layers[name] = list(described(name, layer))
    return layers, tied


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Return all parameters and buffers by name, also those outside the state dict."""
    return [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
