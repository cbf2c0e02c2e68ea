"""From the options of PICK to one member of a family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdial.errors import UsageError

if TYPE_CHECKING:
    from archdial.family import Family
    from archdial.member import Member


def picked(family: Family, at: str | None, on: str | None = None, **budgets: float | None) -> Member:
    """Return the member at a dial position, or the best within the budgets, named as `Family.within` names them.

    Args:
        on: the device, of a family for several.

    Raises:
        UsageError: neither or both are given, none is to be had, or there is no such device.
    """
    family = family.on(on)
    if (at is None) == all(budget is None for budget in budgets.values()):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in budgets)
        raise UsageError(f"pick one member: name --at, or one or more of {options}")
    if at is not None:
        return family.at(position(at))
    limits: dict[str, Any] = budgets
    return family.within(**limits)


def position(text: str) -> float | list[float]:
    """Return a dial position as it is typed: 0.3, or 0.2,0.3,0.5.

    Raises:
        UsageError: these are no numbers.
    """
    try:
        numbers = [float(part) for part in text.strip("[]() ").split(",")]
    except ValueError:
        raise UsageError(f"--at {text}: expected a number, or numbers with commas between, as 0.2,0.3,0.5") from None
    return numbers[0] if len(numbers) == 1 else numbers


@contextmanager
def new_folder(folder: Path | None, what: str) -> Iterator[None]:
    """Hold `folder` for a member that the command `what` is to save there; None saves none.

    Raises:
        UsageError: none can be: it is not empty, may not be written to, or another process is at work there.
    """
    from archdial.folder_lock import locked

    if folder is None:
        yield
        return
    _check_new(folder)
    with locked(folder, what):
        _check_new(folder)
        yield


def _check_new(folder: Path) -> None:
    from archdial.leftovers import clear_leftovers
    from archdial.lock_file import empty
    from archdial.runs import check_writable
    from archdial.storage import ARCHITECTURE, WEIGHTS

    check_writable(folder)
    clear_leftovers(folder, (ARCHITECTURE, WEIGHTS))
    if folder.is_dir() and not empty(folder):
        raise UsageError(f"{folder} is not empty: choose another --out for the member")
