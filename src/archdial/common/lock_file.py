"""The lock file of a folder: who holds it, whether the holder is alive, and how the lock is released."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from archdial.common.errors import UsageError, cut
from archdial.common.files import naming
from archdial.common.leftovers import CLOCK, clock_of
from archdial.common.process import Process

NAME = ".archdial.lock"
BEAT, SILENCE = 30.0, 300.0
"""Seconds between two signs of life, and without one until the process counts as gone that cannot be asked for."""
_MOST = 4096


@dataclass(frozen=True)
class Holder:
    """Who holds a folder.

    Attributes:
        token: of this hold alone.
        what: a command, as it is told to others.
        since: local time.
    """

    token: str
    what: str
    host: str
    since: str
    process: Process

    @classmethod
    def here(cls, what: str) -> Holder:
        """Return this process, about to hold something."""
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        return cls(uuid.uuid4().hex, what, socket.gethostname(), since, Process.here())

    @classmethod
    def read(cls, content: bytes) -> Holder | None:
        """Return what a lock file says; None if it says nothing that can be understood."""
        try:
            value: dict[str, Any] = json.loads(content)
            texts = {name: str(value[name]) for name in ("token", "what", "host", "since")}
            process = value["process"]
            return cls(**texts, process=Process(str(process["place"]), int(process["pid"]), int(process["start"])))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None


@dataclass(frozen=True)
class Seen:
    """A lock file as it was found.

    Attributes:
        holder: None where the file is damaged, or just being written.
        token: the holder's, or one of this damaged file alone.
        touched: when it last was, by the clock of its file system.
    """

    path: Path
    holder: Holder | None
    token: str
    touched: float

    @property
    def silent(self) -> float:
        """Seconds since it was touched."""
        return max(clock_of(self.path.parent) - self.touched, 0.0)

    @property
    def stale(self) -> bool:
        """Whether nobody holds the folder any more."""
        gone = None if self.holder is None else self.holder.process.gone
        return self.silent > SILENCE if gone is None else gone


def create(path: Path, holder: Holder) -> bool:
    """Write `holder` to `path` unless there is a file; return whether there was none."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        with naming(path), os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(asdict(holder)).encode())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def read(path: Path) -> Seen | None:
    """Return what is at `path`; None if there is nothing."""
    try:
        state = path.stat()
        # Opening a pipe would wait for whoever fills it.
        content = _beginning(path) if stat.S_ISREG(state.st_mode) else b""
    except FileNotFoundError:
        return None
    except PermissionError:
        content = b""
    holder = Holder.read(content)
    own = hashlib.sha256(content + str(state.st_ino).encode()).hexdigest()[:32]
    return Seen(path, holder, own if holder is None else holder.token, state.st_mtime)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MOST)


def clear_claims(path: Path) -> None:
    """Remove claims on the lock at `path` whose processes were killed before they could; never fail."""
    with suppress(OSError):
        for claim in path.parent.glob(f"{path.name}.*"):
            seen = read(claim)
            if seen is not None and seen.stale:
                remove(claim, seen.token)


def remove(path: Path, token: str) -> None:
    """Remove the file at `path`, if it still is that with `token` and nobody else is about to.

    Several processes may find one stale file. Each could then remove the file that another has made in its place. So
    only who makes the claim, which there is one of for each token, may remove the file with that token.
    """
    claim = path.with_name(f"{NAME}.{hashlib.sha256(token.encode()).hexdigest()[:32]}")
    if not create(claim, Holder.here("a takeover")):
        other = read(claim)
        if other is not None and other.stale:
            remove(claim, other.token)
        return
    try:
        seen = read(path)
        if seen is not None and seen.token == token:
            path.unlink(missing_ok=True)
    finally:
        claim.unlink(missing_ok=True)


def give_back(path: Path, token: str) -> None:
    """Remove the file at `path`, if it still is this process's own with `token`."""
    try:
        remove(path, token)
    except OSError:
        # A full disk has no room for the claim either; needed it is only if others take this process for gone.
        seen = read(path)
        if seen is not None and seen.token == token:
            path.unlink(missing_ok=True)


def empty(folder: Path, *but: str) -> bool:
    """Return whether nothing is in `folder` `but` files so named, a lock, and what who looks at it leaves a moment."""
    return all(path.name in but or path.name.startswith((NAME, f".{CLOCK}.")) for path in folder.iterdir())


def taken(path: Path, seen: Seen | None) -> UsageError:
    """Return the error of who finds the folder of `path` held by another."""
    folder = path.parent
    if seen is None or seen.holder is None:
        return UsageError(
            f"{folder} is locked, but {path} cannot be read: if no archdial process uses the folder, delete that file"
        )
    holder = seen.holder
    who = f"{cut(holder.what)}, process {holder.process.pid} on {cut(holder.host)}, since {cut(holder.since)}"
    fix = "wait until it has finished, or choose another folder"
    if holder.process.gone is None:
        fix += f"; if it is no longer running (last sign of life {seen.silent:.0f} s ago), delete {path}, "
        fix += f"or try again after {SILENCE / 60:.0f} minutes without one"
    return UsageError(f"{folder} is in use by {who}: {fix}")
