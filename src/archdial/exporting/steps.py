"""What is done to a module on its way to any file: frozen, written, timed, and told where that fails."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from archdial.common.errors import RunError, UsageError, reason
from archdial.cost.measuring.timing import Timing, time_callables
from archdial.exporting.agreement import tried
from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Format, Run


def frozen(module: nn.Module) -> nn.Module:
    """Return a copy of `module` on the CPU, in eval mode, without gradients."""
    return copy.deepcopy(module).cpu().eval().requires_grad_(False)


def written_and_loaded(chosen: Format, module: nn.Module, built: BuiltMember, path: Path) -> Run:
    """Write `module`, which is left as it is, and return what runs the file."""
    chosen.write(copy.deepcopy(module), built.signature, path)
    return chosen.load(path)


@contextmanager
def refused(what: str, other: str) -> Iterator[None]:
    """Turn what a library raises within into a sentence: `what` and the reason, and to try another `other`.

    Raises:
        RunError: anything was raised but UsageError and OSError, which pass.
    """
    try:
        yield
    except (UsageError, OSError):
        raise
    except Exception as error:
        raise RunError(f"{what} ({reason(error)}): nothing was written; try another {other}") from error


def timed(runs: Sequence[Run], built: BuiltMember) -> list[Timing]:
    """Return what one input takes in each of `runs`, interleaved."""
    inputs = tried(built, 1)
    with torch.inference_mode():
        return time_callables([lambda run=run: run(*inputs) for run in runs])  # type: ignore[misc]
