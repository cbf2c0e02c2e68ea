"""What torch and ExecuTorch do with all operators at each conversion, done once or faster.

Names of torch's own: without them tests are slower, and no different.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import yaml
from torch._C import DispatchKey
from torch._export import utils
from torch._ops import OperatorBase
from torch.export import decomp_utils, exported_program


def list_once(patch: pytest.MonkeyPatch) -> None:
    """List all operators once while there are as many, and override them without a type for each."""
    listed = getattr(utils, "_collect_all_valid_cia_ops", set)

    @functools.cache
    def of_so_many(_: int) -> Any:
        return frozenset(listed())

    def operators() -> Any:
        return of_so_many(len(torch._C._dispatch_get_all_op_names()))

    for module in (exported_program, decomp_utils):
        patch.setattr(module, "_collect_all_valid_cia_ops", operators, raising=False)
    patch.setattr(OperatorBase, "py_impl", functools.partialmethod(implemented, OperatorBase.py_impl))
    # ExecuTorch reads a long file of what types operators take, by a parser in Python where there is none in C.
    if find_spec("ruamel") and find_spec("ruamel.yaml") and hasattr(yaml, "CSafeLoader"):
        patch.setattr("ruamel.yaml.YAML.load", lambda _, text: yaml.load(text, yaml.CSafeLoader))


def implemented(operator: OperatorBase, own: Callable[..., Any], key: Any) -> Callable[[Any], Any]:
    """What `py_impl` does, without the type of a function being made each time, which takes longer than all else."""

    def keep(function: Any) -> Any:
        if not isinstance(key, DispatchKey) or key == DispatchKey.Python or key in operator.py_kernels:
            return own(operator, key)(function)
        operator.py_kernels[key] = function
        operator._dispatch_cache.clear()
        return function

    return keep
