"""Reading files of trained weights, safetensors or torch: no code in them is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from archdial.common.errors import UsageError, cut, first_line
from archdial.common.foreign_file import CUT_OFF, foreign, is_cut_off, is_of_torch, is_safetensors
from archdial.common.torch_file import Called, load_saved
from archdial.networks.graph.state_dicts import State, found_in, instead

_SHORT = ("unexpected EOF", "pickle exhausted", "Ran out of input", "expected ", "not enough data", "no newline found")
"""How readers of pickles say that a file ends too early."""


def read_state(path: Path) -> State:
    """Return the state dict in the file at `path`.

    Raises:
        UsageError: there is none: the message says what there is, and the fix.
    """
    if path.is_dir():
        raise UsageError(f"no weights at {path}, which is a folder: pass the file in it")
    if not path.is_file():
        raise UsageError(f"no weights at {path}: pass an existing file")
    value = _value(path)
    state = found_in(value)
    if state is None:
        raise UsageError(
            f"weights {path} contain no state dict, but {instead(value)}: save model.state_dict(), "
            "preferably as .safetensors"
        )
    return state


def _value(path: Path) -> Any:
    if fault := foreign(path):
        raise UsageError(f"weights {path}: the file {fault}")
    with path.open("rb") as stream:
        head = stream.read(9)
    if is_safetensors(head) or (path.suffix == ".safetensors" and not is_of_torch(head)):
        return _of_safetensors(path)
    return _of_torch(path)


def _of_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except SafetensorError as error:
        if is_cut_off(path):
            raise UsageError(f"weights {path}: the file {CUT_OFF}") from None
        raise UsageError(f"weights {path} are damaged ({cut(first_line(error), 200)}): restore a copy") from None
    except Exception as error:
        raise _unreadable(path, error) from None


def _of_torch(path: Path) -> Any:
    try:
        return load_saved(path, older=True)
    except Called as error:
        what = "a whole object, not its weights" if error.is_whole else "more than tensors"
        raise UsageError(
            f"weights {path} cannot be read without running code: they contain {what} ({cut(error.name)}); load them "
            "if you trust them, and save only model.state_dict(), preferably as .safetensors"
        ) from None
    except Exception as error:
        if isinstance(error, EOFError) or first_line(error).startswith(_SHORT):
            raise UsageError(f"weights {path}: the file {CUT_OFF}") from None
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"weights {path} are damaged or in an unknown format ({type(error).__name__}: "
        f"{cut(first_line(error), 200)}): download or save them again, as model.state_dict()"
    )
