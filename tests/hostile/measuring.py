"""Reads mutated files of one kind and notes what becomes of each: outcome, seconds, memory."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from archdial.common.errors import RunError, UsageError
from tests.hostile.meaning import difference

LONGEST_SECONDS, MOST_MIB, LONGEST_MESSAGE = 5.0, 200.0, 1_500
ENOUGH = 20
"""Faults after which a kind is given up."""


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: as tests and tables call it.
        count: how many of a hundred thousand files are of it.
        make: returns a mutated file.
        read: returns what is read of it, as JSON; raises what the reader raises.
        says: returns what it says, as JSON, to be compared; None where nothing can be.
        left_alone: the reader passes over keys that it does not know.
    """

    name: str
    count: int
    make: Callable[[Random], Any]
    read: Callable[[Any], Any]
    says: Callable[[Any], Any]
    left_alone: bool = False


@dataclass
class Figures:
    """What became of the files of a kind."""

    files: int = 0
    refused: int = 0
    accepted: int = 0
    seconds: float = 0.0
    worst_seconds: float = 0.0
    worst_mib: float = 0.0
    faults: list[str] = field(default_factory=list)


class TooLong(BaseException):
    """A reader that does not come to an end; no Exception, so that nothing takes it for a damaged file."""


def attempt(kind: Kind, count: int, seed: int, first: int = 0) -> Figures:
    """Read `count` mutated files of `kind`; file number n of a seed is always the same."""
    figures, dice = Figures(), Random()
    with _heeding_alarms():
        for number in range(first, first + count):
            dice.seed(f"{seed}/{kind.name}/{number}")
            file = kind.make(dice)
            try:
                _read(kind, file, figures)
            except AssertionError as fault:
                figures.faults.append(f"{kind.name} {seed}/{number}: {fault}")
            figures.files += 1
            if len(figures.faults) >= ENOUGH:
                break
    return figures


def _read(kind: Kind, file: Any, figures: Figures) -> None:
    before, start = _peak(reset=True), time.perf_counter()
    try:
        with _alarm():
            read = kind.read(file)
    except (UsageError, RunError) as error:
        figures.refused += 1
        _check_message(str(error))
    except TooLong:
        raise AssertionError(f"more than {LONGEST_SECONDS:.0f} s") from None
    except Exception as error:
        place = _where(error)
        raise AssertionError(f"{type(error).__name__}: {str(error)[:200]} ({place})") from error
    else:
        figures.accepted += 1
        said = kind.says(file)
        wrong = "" if said is None else difference(said, read, left_alone=kind.left_alone)
        assert not wrong, f"accepted, and {wrong}"
    finally:
        seconds, mib = time.perf_counter() - start, _peak() - before
        figures.seconds += seconds
        figures.worst_seconds, figures.worst_mib = max(figures.worst_seconds, seconds), max(figures.worst_mib, mib)
    assert mib <= MOST_MIB, f"{mib:.0f} MiB"


def _check_message(message: str) -> None:
    assert message, "an empty message"
    assert len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} characters: {message[:100]}"
    assert message.isprintable(), f"a message that a terminal obeys: {message[:300]!r}"
    assert "Traceback" not in message and "pydantic" not in message, f"no sentence: {message[:300]}"


def _where(error: BaseException) -> str:
    trace, places = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        if "archdial" in code.co_filename and "tests" not in code.co_filename:
            places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(places[-3:])


@contextmanager
def limited() -> Iterator[None]:
    """Raise TooLong after LONGEST_SECONDS."""
    with _heeding_alarms(), _alarm():
        yield


@contextmanager
def _heeding_alarms() -> Iterator[None]:
    """Let alarms raise TooLong; once for many files, as it takes a third of what reading some of them does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


class _alarm:
    """One alarm after LONGEST_SECONDS, unless it is over before; a class, as a generator takes twice as long."""

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _peak(*, reset: bool = False) -> float:
    """Return the most memory in MiB since the last reset; where the system cannot reset, since the beginning."""
    if reset and _CLEAR is not None:
        os.write(_CLEAR, b"5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _clear_refs() -> int | None:
    try:
        return os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return None


_CLEAR = _clear_refs()
