"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdial.cli import completing
from archdial.common.bounds import MOST_COUNT, MOST_SEED

RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name of a recipe (see `archdial recipes`), or a .yaml file.",
        autocompletion=completing.recipes,
    ),
]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a finished search.", autocompletion=completing.runs)
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|NAME|MODULE:CALLABLE",
        help="A folder of images, `digits`, a Hugging Face data set, or your own code that returns the data.",
        show_default=False,
        autocompletion=completing.data_sources,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print only JSON to standard output.")]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where to train: cpu, cuda or cuda:N.",
        show_default="cpu",
        autocompletion=completing.one_of(completing.DEVICES),
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, max=MOST_SEED, help="Random seed.", show_default="0")]
Epochs = Annotated[
    int | None, typer.Option(min=1, max=MOST_COUNT, help="Training epochs.", show_default="the recipe's")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:CALLABLE",
        help="Your own code that returns the network to prune; called without arguments.",
        show_default=False,
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Allow calling the code that the recipe or run names.")]
MemberFolder = Annotated[
    Path | None, typer.Option("--out", help="Save the built member to this new folder.", show_default=False)
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="λ|S1,S2,…", help="Position on the run's dial.", show_default=False),
]
LatencyMs = Annotated[
    float | None, typer.Option("--latency-ms", help="Latency budget in milliseconds.", show_default=False)
]
Params = Annotated[float | None, typer.Option("--params", help="Maximum number of parameters.", show_default=False)]
Flops = Annotated[float | None, typer.Option("--flops", help="Maximum number of FLOPs.", show_default=False)]
SizeBytes = Annotated[
    float | None, typer.Option("--size-bytes", help="Maximum size of the weights in bytes.", show_default=False)
]
On = Annotated[
    str | None,
    typer.Option("--on", metavar="DEVICE", help="One of the run's devices.", show_default="the first"),
]
PeakBytes = Annotated[
    float | None, typer.Option("--peak-bytes", help="Maximum bytes of activations at any one time.", show_default=False)
]
Confidence = Annotated[
    float | None,
    typer.Option(
        help="Confidence that --latency-ms is met, given the cost table's error; 0.5 keeps no margin.",
        show_default="0.95",
    ),
]
Measured = Annotated[
    bool,
    typer.Option("--measure", help="Time the best candidates on this machine and pick one that meets --latency-ms."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")]
