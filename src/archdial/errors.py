"""How archdial fails: a wrong call (exit status 2), a failed run (exit status 1); and what it warns of."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 400


class UsageError(ValueError):
    """A wrong call: the message names the value, what was expected, and the mend."""

    exit_status = 2


class RunError(RuntimeError):
    """A run that failed on its way: the message names the step and how to go on."""

    exit_status = 1


class NoisyMeasurement(UserWarning):
    """The machine was too busy for what was measured to be relied on: the message names what, and the mend."""


def unknown(what: str, value: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among the `known` ones, with the nearest right one."""
    names = list(known)
    near = get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(f"unknown {what} {value!r}: {hint}known are {', '.join(names) or 'none'}")


def reason(error: BaseException) -> str:
    """Return what a library raised as part of a sentence: kind and message on one line, cut where it is long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= _LONGEST else text[:_LONGEST] + ' …'}"


def first_line(error: BaseException) -> str:
    """Return the first line of what `error` says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
