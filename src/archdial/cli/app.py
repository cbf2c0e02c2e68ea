"""The app that the commands register with, and how their errors reach the user: one sentence and an exit status."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Annotated, Any, Self

import typer
from typer.core import TyperGroup

from archdial.errors import NoisyMeasurement, RunError, UsageError

INTERRUPTED = 130


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

    def invoke(self, ctx: Any) -> Any:
        """Run the command of `ctx`."""
        with _Interrupts() as interrupts, warnings.catch_warnings():
            warnings.showwarning = _shown(warnings.showwarning)
            warnings.simplefilter("always", NoisyMeasurement)
            return self._guarded(ctx, interrupts)

    def _guarded(self, ctx: Any, interrupts: _Interrupts) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            self._end("interrupted", INTERRUPTED)
        except BrokenPipeError:
            raise
        except (UsageError, RunError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            self._end(_sentence(error), getattr(error, "exit_status", 1))
        except Exception as error:
            # Wrong options and --help end by exceptions of typer's own, which it knows to show.
            if ctx.params.get("debug") or type(error).__module__.startswith(("typer", "click")):
                raise
            if interrupts.seen:
                self._end("interrupted", INTERRUPTED)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._end(f"unexpected {reason}; `archdial --debug …` shows where it comes from", 1)

    def _end(self, sentence: str, status: int) -> None:
        typer.echo(f"error: {sentence}", err=True)
        raise typer.Exit(status)


def _shown(others: Callable[..., None]) -> Callable[..., None]:
    """Return how warnings are shown: archdial's own as a sentence, others as ever."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, NoisyMeasurement):
            typer.echo(f"warning: {message}", err=True)
        else:
            others(message, category, *place, **more)

    return show


def _sentence(error: Exception) -> str:
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror.lower()}{where}: free space, mend the permissions or choose another place"


def _show_version(wanted: bool) -> None:
    if wanted:
        from archdial.versions import versions

        typer.echo(", ".join(f"{name} {version}" for name, version in versions().items()))
        raise typer.Exit


app = typer.Typer(
    name="archdial",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: archdial demo",
)


@app.callback()
def everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show versions and exit.")
    ] = False,
) -> None:
    """Search once, then dial: a network for every trade-off between accuracy and milliseconds.

    Results go to standard output, as a table or with --json as JSON; progress and errors to standard error. The exit
    status is 0, 2 for a wrong call, 1 for a run that failed, 130 for one that was interrupted.
    """
