"""Errors: a usage error (exit status 2) or a failed run (exit status 1); and the warnings."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

_LONGEST = 400
_SENTENCE = 1200
"""Characters of a message: whatever a file holds, an error stays something to read."""
_VALUE = 60
_NAMES = 30


class UsageError(ValueError):
    """The call was wrong: the message names the value, what was expected, and the fix.

    Also a `ValueError`. Commands that end with it have exit status 2.

    Args:
        message: a sentence; unprintable characters are escaped, and a long one is shortened in the middle.
    """

    exit_status = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(readable(str(message)))


class RunError(RuntimeError):
    """A run failed: the message names the step and how to continue.

    Also a `RuntimeError`. Commands that end with it have exit status 1.

    Args:
        message: as in `UsageError`.
    """

    exit_status = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(readable(str(message)))


class Notice(UserWarning):
    """A warning that stops nothing; commands print it as one sentence."""


class DoubtfulTable(Notice):
    """A cost table that was not validated on whole networks, or whose validation failed."""


class NoisyMeasurement(Notice):
    """The machine was too busy for reliable measurements: the message names which, and the fix."""


class Drifted(Notice):
    """The machine's speed has changed since its cost table was made: the message says how to rescale the table."""


class OtherConditions(Notice):
    """A measurement was made under other conditions than requested: the message says which."""


class NearChance(Notice):
    """A pretrained network hardly beats guessing: the message names the likely causes."""


class LittleToSave(Notice):
    """All choices of a network together save almost nothing: the message says what would save more."""


def unknown(what: str, value: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among the `known` ones, with the nearest right one."""
    names, value = list(known), cut(str(value), _VALUE)
    near = get_close_matches(value, names[:1000], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = ", …" if len(names) > _NAMES else ""
    return UsageError(f"unknown {what} {value!r}: {hint}known: {', '.join(names[:_NAMES]) or 'none'}{more}")


def reason(error: BaseException) -> str:
    """Return what a library raised as part of a sentence: kind and message on one line, cut where it is long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= _LONGEST else text[:_LONGEST] + ' …'}"


def first_line(error: BaseException) -> str:
    """Return the first line of what `error` says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def readable(message: str) -> str:
    """Return `message` without what a terminal would obey, its middle left out where it is too long to read."""
    if len(message) > _SENTENCE:
        # The beginning names the value, the end the fix.
        message = f"{message[: _SENTENCE * 2 // 3]} … {message[-_SENTENCE // 3 :]}"
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in message)


def cut(text: str, most: int = _VALUE) -> str:
    """Return the beginning of `text` where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def short(value: object) -> str:
    """Return `value` as JSON that fits into a sentence."""
    return cut(json.dumps(_pruned(value, 3), default=repr, ensure_ascii=False))


def _pruned(value: object, depth: int) -> object:
    """Return `value` with no more of it than a sentence can show."""
    if isinstance(value, str):
        return value[: _VALUE + 1]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return f"a number of {int(value.bit_length() * 0.30103) + 1} digits"
    if isinstance(value, Mapping):
        inner = islice(value.items(), _VALUE // 6) if depth else ()
        return {str(_pruned(name, 0)): _pruned(item, depth - 1) for name, item in inner}
    if isinstance(value, list | tuple):
        return [_pruned(item, depth - 1) for item in islice(value, _VALUE // 2)] if depth else []
    return value if isinstance(value, bool | int | float | None) else cut(repr(value))
