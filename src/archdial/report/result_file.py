"""Shared by all result files: their format, and errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from archdial.common.errors import UsageError, short
from archdial.tasks.measure import ACCURACY, Measure


def check_format(value: Mapping[str, Any], expected: str, version: int, command: str) -> None:
    """Refuse a file of another format or version; `command` is the one that writes such files."""
    found = (value.get("format"), value.get("version"))
    if found != (expected, version):
        raise UsageError(
            f"it has format {short(found[0])}, version {short(found[1])}: expected {expected!r}, version {version}; "
            f"write one with `{command}`"
        )


_OTHERS = frozenset(("architecture", "config", "counts", "device", "dial", "provenance", "range", "score", "versions"))
"""Sections without scores."""


def by_accuracy(value: Mapping[str, Any], measure: Measure | None = None) -> Any:
    """Return `value` with scores under the names that files have where they are accuracies, as the validators know.

    Args:
        measure: of the scores; a whole file tells it.

    Raises:
        UsageError: what the file tells cannot be a measure.
    """
    measure = measure or Measure.of(value.get("score"))
    if measure.name == ACCURACY.name:
        return value
    names = {place.replace(ACCURACY.name, measure.name): place for place in _SCORES}
    return _renamed(value, names)


_SCORES = (ACCURACY.name, *(form.format(ACCURACY.name) for form in ("{}_split", "validation_{}", "{}_within")))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    if isinstance(value, Mapping):
        made = {
            # A section is none, though the file's own `score` is one.
            key if isinstance(item, Mapping) else names.get(key, key): item if key in _OTHERS else _renamed(item, names)
            for key, item in value.items()
        }
        chosen = made.get("chosen_by")
        return made if not isinstance(chosen, str) else {**made, "chosen_by": names.get(chosen, chosen)}
    return value


@contextmanager
def within(file: str, command: str) -> Iterator[None]:
    """Add to an error in which file its field is, and by which command that file is made again.

    A page reads several files, so the field alone would not tell.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{file}: {error}: write the file again with `{command}`") from None
