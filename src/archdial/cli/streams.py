"""Standard streams made safe for commands: never closed, and not broken by a character or a full disk."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from archdial.common.errors import RunError, first_line

_LEGIBLE = "archdial-legible"


class _Stream(io.TextIOWrapper):
    """A stream of this process whose errors, but for a closed pipe, go to `_failed`."""

    def write(self, text: str) -> int:
        # Typer tries whether nothing can be written, and hides how that fails.
        if text != "":
            with self._guarded():
                super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._guarded():
            super().flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            _silence(self)
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Carry on: a run must not fail because nobody reads its progress."""


class _Output(_Stream):
    """Standard output, which a command must be able to rely on."""

    def _failed(self, error: OSError) -> None:
        why = (error.strerror or first_line(error)).lower()
        raise RunError(
            f"cannot write to standard output ({why}): redirect it elsewhere; files already written are complete"
        )


def mend() -> None:
    """Make standard input, output and error usable, however the process was started."""
    codecs.register_error(_LEGIBLE, _legible)
    # Not wrapped again: nowhere is never full.
    sys.stdin = sys.stdin or _nowhere(0, "r")
    sys.stdout = _Output(**_like(sys.stdout) | {"errors": _LEGIBLE}) if sys.stdout else _nowhere(1, "w")
    sys.stderr = _Stream(**_like(sys.stderr)) if sys.stderr else _nowhere(2, "w")


def takes(stream: TextIO, text: str) -> bool:
    """Return whether every character of `text` can be written to `stream`."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _like(stream: TextIO) -> dict[str, Any]:
    assert isinstance(stream, io.TextIOWrapper)
    names = ("buffer", "encoding", "errors", "line_buffering", "write_through")
    return {name: getattr(stream, name) for name in names}


def _legible(error: UnicodeError) -> tuple[str | bytes, int]:
    """Leave the bytes of a path as they are; put a question mark for what the encoding lacks."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


def _nowhere(number: int, mode: str) -> TextIO:
    """Open the stream `number`, which is closed, to nowhere, before a file of ours gets its number."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    if descriptor != number and _closed(number):
        os.dup2(descriptor, number)
        os.close(descriptor)
        descriptor = number
    # Compilers and the like are started with these streams.
    os.set_inheritable(descriptor, True)
    return io.TextIOWrapper(io.FileIO(descriptor, mode, closefd=False), encoding="utf-8", errors="replace")


def _closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _silence(stream: TextIO) -> None:
    """Let `stream` lead nowhere: what it still holds would fail again when Python ends."""
    with suppress(OSError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
