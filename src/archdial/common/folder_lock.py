"""One folder per run: a lock that names its holder, and is released when the holder is gone."""

from __future__ import annotations

import os
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from archdial.common.errors import RunError
from archdial.common.held import checks
from archdial.common.lock_file import BEAT, NAME, SILENCE, Holder, clear_claims, create, give_back, read, remove, taken
from archdial.common.process import Process

# Not filelock: with it a lock of another host gives way only to who has watched it for as long as makes it stale, and a
# command is to answer at once; nor does it tell who the holder is.
_ATTEMPTS, _PAUSE = 40, 0.05
"""How often a lock is looked at that others are just making, giving back or taking over."""


@dataclass
class _Lock:
    """A folder that this process holds."""

    folder: Path
    holder: Holder
    made: list[Path]
    thread: int = field(default_factory=threading.get_ident)
    depth: int = 1
    lost: bool = False
    signed: float = field(default_factory=time.time)
    over: threading.Event = field(default_factory=threading.Event)
    signing: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        checks[self.folder] = self.check
        self.beating = threading.Thread(target=self._beat, name="archdial-lock", daemon=True)
        self.beating.start()

    def _beat(self) -> None:
        while not self.lost and not self.over.wait(BEAT):
            # A server that does not answer now may do so the next time.
            with suppress(OSError):
                if self._sign() and self.thread == threading.main_thread().ident:
                    interrupt_main()

    def _sign(self) -> bool:
        """Give a sign of life; return whether it is learnt here that another took this process for gone meanwhile."""
        path = self.folder / NAME
        with self.signing:
            seen = read(path)
            # Without a sign for so long, another may have taken over, and have ended by now.
            long_silent = time.time() - self.signed > SILENCE
            if seen is None and not long_silent and not create(path, self.holder):
                seen = read(path)
            if self.lost:
                return False
            if seen is None:
                self.lost = long_silent
            elif seen.token == self.holder.token:
                os.utime(path)
            else:
                self.lost = True
            if not self.lost:
                self.signed = time.time()
            return self.lost

    def check(self) -> None:
        """Raise RunError if the folder is another's by now; a fork of this process holds nothing and is let be."""
        if self.holder.process != Process.here():
            return
        # A server that does not answer will not take what is written either.
        with suppress(OSError):
            self._sign()
        if self.lost:
            raise _lost(self.folder)

    def end(self) -> None:
        self.over.set()
        self.beating.join()
        if checks.get(self.folder) == self.check:
            del checks[self.folder]
        with suppress(OSError):
            give_back(self.folder / NAME, self.holder.token)
        _unmake(self.made)


_held: dict[Path, _Lock] = {}
_own: set[str] = set()
"""Tokens of this process, of locks that it makes or holds."""


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder`, which is made if it is not there; within the block the same thread may do so again.

    Afterwards the lock is gone, and so is a folder that was made for it and stayed empty.

    Args:
        what: the command, as who comes second is told of it: a search.

    Raises:
        UsageError: another process holds it.
        RunError: another took over, as this process stood still for minutes.
    """
    lock = _taken_up(folder, what)
    try:
        yield
    except BaseException as error:
        if lock.lost:
            raise _lost(folder) from error
        raise
    finally:
        _given_back(lock)
    if lock.lost:
        raise _lost(folder)


def _taken_up(folder: Path, what: str) -> _Lock:
    place = folder.resolve()
    lock = _held.get(place)
    if lock is not None and lock.holder.process == Process.here() and lock.thread == threading.get_ident():
        lock.depth += 1
        return lock
    holder = Holder.here(what)
    _own.add(holder.token)
    made = [path for path in (place, *place.parents) if not path.exists()]
    try:
        _acquire(place, holder)
    except BaseException:
        _own.discard(holder.token)
        _unmake(made)
        raise
    lock = _held[place] = _Lock(place, holder, made)
    lock.begin()
    return lock


def _acquire(folder: Path, holder: Holder) -> None:
    path, seen = folder / NAME, None
    for _ in range(_ATTEMPTS):
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever held it last may remove the folder in between, if it stayed empty.
        with suppress(FileNotFoundError):
            if create(path, holder):
                clear_claims(path)
                return
            seen = read(path)
            if seen is not None and (seen.stale or _forgotten(seen.holder)):
                remove(path, seen.token)
            elif seen is not None and seen.holder is not None:
                break
        time.sleep(_PAUSE)
    raise taken(path, seen)


def _forgotten(holder: Holder | None) -> bool:
    """Return whether this process made the lock and was interrupted before it knew."""
    return holder is not None and holder.process == Process.here() and holder.token not in _own


def _given_back(lock: _Lock) -> None:
    # A fork of this process has its memory, but holds nothing.
    if lock.holder.process != Process.here():
        return
    lock.depth -= 1
    if lock.depth == 0:
        _held.pop(lock.folder, None)
        lock.end()
        _own.discard(lock.holder.token)


def _unmake(folders: list[Path]) -> None:
    """Remove `folders`, deepest first, as far as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _lost(folder: Path) -> RunError:
    return RunError(
        f"another process took over {folder} while this one was suspended for minutes: "
        "wait until it has finished, then continue with --resume"
    )
