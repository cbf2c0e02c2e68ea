"""The user's own code: named as module:callable by the user, or registered under a name."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from archdial.common.errors import UsageError, cut, reason

_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def looks_like_code(name: str) -> bool:
    """Tell whether `name` is of the form package.module:callable, which no folder or data set on the hub has."""
    return _CODE.fullmatch(name) is not None


def check_free(what: str, name: str, new: object, known: Mapping[str, object]) -> None:
    """Check that `new` may be registered as `name`: nobody has it, or it has itself, as in a cell that is run again.

    Args:
        what: it is, for errors.
        known: what is registered, by name.

    Raises:
        UsageError: another class or function has the name.
    """
    held = known.get(name, new)
    # Lambdas and partial functions have no name of their own.
    named = hasattr(new, "__qualname__") and "<lambda>" not in _home(new)
    again = named and _home(held) == _home(new)
    if held is not new and not again:
        raise UsageError(f"{what} {name!r} is taken by {_home(held)}: choose another name for {_home(new)}")


def _home(value: object) -> str:
    value = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', '?')}"


def called_code(name: str, what: str, instead: str = "") -> Any:
    """Return what `module:callable` gives, called without arguments.

    Args:
        what: it is to make, for errors.
        instead: what else may be named, for errors.

    Raises:
        UsageError: it cannot be imported, or fails.
    """
    path, _, attribute = name.partition(":")
    try:
        module = _imported(path)
        if not hasattr(module, attribute):
            raise UsageError(f"{what} {name!r}: {path} has no {attribute!r}; pass a callable{instead}")
        return getattr(module, attribute)()
    except UsageError:
        raise
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{what} {name!r}: {error}; run archdial in the folder that contains it, or add that folder to PYTHONPATH"
        ) from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} {name!r}: calling it without arguments failed with {reason(error)}") from error


def _imported(path: str) -> ModuleType:
    """Import `path`, also from the working folder, where an installed command would not look."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(path)


def refused_code(name: str, what: str, option: str) -> UsageError:
    """Return the error where `name` stands in a file, and nobody at the keyboard asked for it to be called."""
    return UsageError(
        f"the {what} {cut(name)} is code named only by a file, so it is not called: pass {option} {cut(name)}, "
        "or --trust if you trust the author of the file"
    )
