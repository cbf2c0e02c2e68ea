"""The command that comes next, told on standard error once a command has done its work."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

WORDS = "archdial.words"
"""Under which the context of a call keeps what was typed after `archdial`."""


def command(*words: object, **options: object) -> str:
    """Return an archdial command as it is typed, quoted for the shell.

    Args:
        words: the command and its arguments.
        options: by name without the dashes; None and False are omitted, True is a flag.
    """
    return shlex.join(["archdial", *map(str, words), *_typed(options)])


def _typed(options: Mapping[str, object]) -> Iterator[str]:
    for name, value in options.items():
        if value is None or value is False:
            continue
        yield f"--{name.replace('_', '-')}"
        if value is not True:
            yield f"{value:.12g}" if isinstance(value, float) else str(value)


def say_next(told: str) -> None:
    """Print `told`, the next command, as the last line on standard error."""
    typer.echo(f"Next: {told}", err=True)


def middle(costs: Mapping[str, Sequence[float]] | None) -> float | None:
    """Return a latency budget (ms) that can be met, in the middle of `costs`, (lowest, highest) by column.

    None if the range of latencies is unknown.
    """
    found = (costs or {}).get("latency_ms")
    if not found:
        return None
    lowest, highest = found
    # Above the margin that a promise keeps, however narrow the range is.
    return float(f"{max((lowest + highest) / 2, 1.3 * lowest):.2g}")


def pick_next(run: Path, costs: Mapping[str, Sequence[float]] | None, on: str | None = None) -> str:
    """Return the command that picks a member of `run` in the middle of its latencies; see `middle`."""
    budget = middle(costs)
    return command("pick", run, latency_ms=budget, on=on) if budget else command("evaluate", run, on=on)


def report_next(run: Path, on: str | None = None, **code: Any) -> str:
    """Return the command that shows the results of `run`: its report, or what a report needs first.

    Args:
        on: the device that the results are for.
        code: options that let the user's code be called.
    """
    # By the name in `runs.folder`, which would import torch.
    if (run / "members.json").exists():
        return command("report", run)
    return command("evaluate", run, split="test", on=on, **code)


def export_next(member: Path, **code: Any) -> str:
    """Return the command that exports the member saved in the folder `member`; `code` as for `report_next`."""
    return command("export", member, **code, format="onnx", out=f"{member}.onnx")


def again(context: typer.Context, *more: str) -> str:
    """Return the command that was typed, with `more` at its end."""
    words = [word for word in context.meta.get(WORDS, ()) if word not in more]
    return shlex.join(["archdial", *words, *more])


@contextmanager
def resumed_by(context: typer.Context) -> Iterator[None]:
    """Let an interruption within name the command that continues: what was typed, with --resume."""
    from archdial.training.loop import Interrupted

    try:
        yield
    except Interrupted as error:
        raise Interrupted(f"{error}: {again(context, '--resume')}") from error
