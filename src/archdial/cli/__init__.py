"""The command line: each command a module, all under one `app`."""

import gc
import sys

import typer

from archdial.cli.streams import mend
from archdial.common.errors import RunError

# In the order in which help lists them: that of use.
# isort: off
from archdial.cli.app import app
from archdial.cli import (
    recipes,
    train,
    profile,
    search,
    add_device,
    evaluate,
    refine,
    compare,
    experiments,
    pick,
    finetune,
    export,
    report,
    demo,
    doctor,
)
# isort: on

__all__ = [
    "add_device",
    "app",
    "compare",
    "demo",
    "doctor",
    "evaluate",
    "experiments",
    "export",
    "finetune",
    "main",
    "pick",
    "profile",
    "recipes",
    "refine",
    "report",
    "search",
    "train",
]


def main() -> None:
    """Run the command that the user typed."""
    mend()
    # Imports make hundreds of thousands of objects that stay: looked at less often, a command starts a tenth sooner.
    gc.set_threshold(20_000, 20, 100)
    try:
        app(prog_name="archdial")
    except RunError as error:
        # Of standard output, while --help or --version was shown.
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
