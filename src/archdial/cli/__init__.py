"""The command line: one module per command, all registered with one `app`."""

import gc
import sys

import typer

from archdial.cli.streams import mend
from archdial.common.errors import RunError

# In the order in which help lists them: the order of use.
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
    quantize,
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
    "quantize",
    "recipes",
    "refine",
    "report",
    "search",
    "train",
]


def main() -> None:
    """Run the command that the user typed."""
    mend()
    # Imports create hundreds of thousands of long-lived objects: collecting less often starts a command 10 % sooner.
    gc.set_threshold(20_000, 20, 100)
    try:
        app(prog_name="archdial")
    except RunError as error:
        # Standard output failed while --help or --version was printed.
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
