"""What reading any result file has in common: its format, and in which file an error is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from archdial.common.errors import UsageError, short


def check_format(value: Mapping[str, Any], expected: str, version: int, command: str) -> None:
    """Refuse a file of another format or version; `command` is the one that writes such files."""
    found = (value.get("format"), value.get("version"))
    if found != (expected, version):
        raise UsageError(
            f"a file of format {short(found[0])}, version {short(found[1])}: expected {expected!r}, version {version}; "
            f"`{command}` writes one"
        )


@contextmanager
def within(file: str, command: str) -> Iterator[None]:
    """Add to an error in which file its field is, and by which command that file is made anew.

    A page reads several files, so the field alone would not tell.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{file}: {error}: make the file anew with `{command}`") from None
