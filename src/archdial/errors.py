"""The two ways in which archdial fails: a wrong call (exit status 2) and a failed run (exit status 1)."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(ValueError):
    """A wrong call: the message names the value, what was expected, and the mend."""

    exit_status = 2


class RunError(RuntimeError):
    """A run that failed on its way: the message names the step and how to go on."""

    exit_status = 1


def unknown(what: str, value: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among the `known` ones, with the nearest right one."""
    names = list(known)
    near = get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(f"unknown {what} {value!r}: {hint}known are {', '.join(names) or 'none'}")
