"""The Typer app that commands register with, and how errors reach the user: one sentence and an exit status."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Annotated, Any, Self

import typer
from typer.core import TyperGroup

from archdial.cli.following import WORDS
from archdial.common.errors import Notice, RunError, UsageError, cut, readable, reason

INTERRUPTED = 130
_NO_MEMORY = "can't allocate memory"
"""Part of torch's message: the error has no type of its own."""


class _Interrupts:
    """Remembers a Ctrl-C: where one falls into an import, numpy swallows it and fails in another way later."""

    def __init__(self) -> None:
        self.seen = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        raise KeyboardInterrupt

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


class Group(TyperGroup):
    """Commands whose exceptions become sentences; only --debug lets the traceback through."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, none of which may be empty: as a path, "" is the working directory."""
        ctx.meta[WORDS] = list(args)
        for number, word in enumerate([] if ctx.resilient_parsing else args):
            option, separator, value = word.partition("=")
            if not word or (option.startswith("--") and separator and not value):
                before = option if word else next(iter(args[:number][-1:]), "")
                what = f"{before} has an empty value" if before.startswith("-") else "an argument is empty"
                self._end(f"{what}: pass a file, a folder or a value, or omit it", 2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command of `ctx`."""
        with _Interrupts() as interrupts, warnings.catch_warnings():
            warnings.showwarning = _shown(warnings.showwarning)
            warnings.simplefilter("always", Notice)
            return self._guarded(ctx, interrupts)

    def _guarded(self, ctx: Any, interrupts: _Interrupts) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            self._end("interrupted", INTERRUPTED)
        except BrokenPipeError:
            raise
        except Exception as error:
            # Wrong options and --help end by exceptions of typer's own, which it knows to show.
            if ctx.params.get("debug") or type(error).__module__.startswith(("typer", "click")):
                raise
            sentence = _sentence(error)
            if sentence is None and interrupts.seen:
                self._end("interrupted", INTERRUPTED)
            unexpected = f"unexpected {reason(error)}; run `archdial --debug …` for the traceback"
            self._end(sentence or unexpected, getattr(error, "exit_status", 1))

    def _end(self, sentence: str, status: int) -> None:
        typer.echo(f"error: {sentence}", err=True)
        raise typer.Exit(status)


def _shown(others: Callable[..., None]) -> Callable[..., None]:
    """Return how warnings are shown: archdial's own as a sentence, others as ever."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            typer.echo(f"warning: {message}", err=True)
        else:
            others(message, category, *place, **more)

    return show


def _sentence(error: Exception) -> str | None:
    """Return what `error` means to the user; None if it is one that no one foresaw."""
    if isinstance(error, UsageError | RunError):
        return str(error)
    if isinstance(error, OSError):
        what = error.strerror.lower() if error.strerror else str(error)
        where = f" ({readable(str(error.filename))})" if error.filename else ""
        return what and f"{what}{where}: free up space, fix the permissions or choose another location"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _NO_MEMORY in str(error):
        return "out of memory: close other programs, or lower search.batch_size in the recipe"
    if isinstance(error, RecursionError):
        return "a file or a network is nested too deeply: flatten it"
    if isinstance(error, UnicodeEncodeError):
        characters = ascii(error.object[error.start : error.end])
        return f"{cut(characters)} cannot be written in the locale's encoding, {error.encoding}: set PYTHONUTF8=1"
    return None


def _show_version(wanted: bool) -> None:
    if wanted:
        from archdial.common.versions import versions

        typer.echo(", ".join(f"{name} {version}" for name, version in versions().items()))
        raise typer.Exit


app = typer.Typer(
    name="archdial",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: archdial demo",
)


@app.callback()
def everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when a command fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show versions and exit.")
    ] = False,
) -> None:
    """Search once, then dial in a network for any trade-off between accuracy and latency.

    Results go to standard output, as a table or as JSON with --json; progress, errors and the next command go to
    standard error. The exit status is 0 on success, 2 for a usage error, 1 for a failed run, and 130 for an interrupted
    one.
    """
