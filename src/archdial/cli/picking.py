"""From the options of PICK to a member of a family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdial.common.errors import UsageError

if TYPE_CHECKING:
    from archdial.exporting.built import BuiltMember
    from archdial.families.family import Family
    from archdial.families.member import Member


CHECKPOINT = "checkpoint.pt"
"""In the folder of a member, while it is trained."""


_NO_BUDGETS = ("at", "on", "confidence", "measure")


@dataclass(frozen=True)
class Pick:
    """Which member is asked for: at a dial position, or the best within budgets, which `Family.within` takes.

    Attributes:
        at: the dial position, as it is typed.
        on: the device, of a family for several.
        confidence: that the budget of milliseconds is met; None for that of `Family.within`.
        measure: whether the best candidates are to be timed here.
    """

    at: str | None
    on: str | None
    latency_ms: float | None
    params: float | None
    flops: float | None
    size_bytes: float | None
    peak_bytes: float | None
    confidence: float | None = None
    measure: bool = False

    def budgets(self) -> dict[str, float | None]:
        """Return the budgets by name, None where there is none."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NO_BUDGETS}

    def options(self) -> dict[str, Any]:
        """Return what is asked for, by the names of the options."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def limited(self) -> bool:
        """Return whether any budget is given."""
        return any(budget is not None for budget in self.budgets().values())


def picked(family: Family, pick: Pick) -> Member:
    """Return the member that `pick` asks for; what is timed for it shows its progress.

    Raises:
        UsageError: neither position nor budget is given or both are, none is to be had, or there is no such device.
    """
    from archdial.common.progress import Bar, NoBar
    from archdial.cost.table.margin import CONFIDENCE

    family, budgets = family.on(pick.on), pick.budgets()
    if (pick.at is None) != pick.limited():
        options = ", ".join(f"--{name.replace('_', '-')}" for name in budgets)
        raise UsageError(f"pick one member: pass either --at or at least one of {options}")
    if pick.at is not None:
        if pick.confidence is not None or pick.measure:
            raise UsageError("--confidence and --measure require --latency-ms: a dial position promises no latency")
        return family.at(position(pick.at))
    if pick.confidence is not None and pick.latency_ms is None:
        raise UsageError("--confidence requires --latency-ms: counted budgets are exact, so omit it")
    with Bar() if pick.measure else NoBar() as bar:
        return family.within(
            latency_ms=pick.latency_ms,
            params=pick.params,
            flops=pick.flops,
            size_bytes=pick.size_bytes,
            peak_bytes=pick.peak_bytes,
            confidence=CONFIDENCE if pick.confidence is None else pick.confidence,
            measured=pick.measure,
            bar=bar,
        )


def saved(folder: Path, pick: Pick, told: str, model: str | None, trust: bool) -> BuiltMember:
    """Return the member saved in `folder`, of which nothing is to be picked; `told` begins the sentence that says so.

    Raises:
        UsageError: a position, a device or a budget is given, or no member can be loaded.
    """
    from archdial.families.storage import load_built
    from archdial.networks.graph.source import called_model

    if pick.at is not None or pick.on is not None or pick.limited():
        raise UsageError(f"{told} a single member: omit --at, --on and all budgets")
    return load_built(folder, None if model is None else called_model(model), trust=trust)


def position(text: str) -> float | list[float]:
    """Return a dial position as it is typed: 0.3, or 0.2,0.3,0.5.

    Raises:
        UsageError: these are no numbers.
    """
    try:
        numbers = [float(part) for part in text.strip("[]() ").split(",")]
    except ValueError:
        raise UsageError(f"--at {text}: expected a number, or comma-separated numbers such as 0.2,0.3,0.5") from None
    return numbers[0] if len(numbers) == 1 else numbers


@contextmanager
def new_folder(folder: Path | None, what: str, *, resume: bool = False) -> Iterator[None]:
    """Hold `folder` for a member that the command `what` is to save there; None saves none.

    Args:
        resume: it may hold the checkpoint of a training, which then goes on.

    Raises:
        UsageError: none can be: it is not empty, may not be written to, or another process is at work there; or there
            is nothing to resume.
    """
    from archdial.common.folder_lock import locked

    if folder is None:
        if resume:
            raise UsageError("--resume requires --out: pass the folder of the interrupted training")
        yield
        return
    _check_new(folder, resume)
    with locked(folder, what):
        _check_new(folder, resume)
        yield


def _check_new(folder: Path, resume: bool) -> None:
    from archdial.common.leftovers import clear_leftovers
    from archdial.common.lock_file import empty
    from archdial.families.storage import ARCHITECTURE
    from archdial.families.weights_file import WEIGHTS
    from archdial.runs.folder import check_writable

    check_writable(folder)
    clear_leftovers(folder, (ARCHITECTURE, WEIGHTS, CHECKPOINT))
    # Killed between its two files, the member's weights are there already.
    begun = (folder / CHECKPOINT).is_file() and empty(folder, CHECKPOINT, WEIGHTS)
    if resume and not begun:
        raise UsageError(f"no training to resume in {folder}: omit --resume to start one there")
    if begun and not resume:
        raise UsageError(
            f"{folder} holds an interrupted training: continue it with --resume, or delete {CHECKPOINT} there"
        )
    if folder.is_dir() and not empty(folder) and not begun:
        raise UsageError(f"{folder} is not empty: choose another --out for the member")
