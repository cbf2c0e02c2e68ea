"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdial.common.bounds import MOST_COUNT, MOST_SEED

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Name of a recipe (see `archdial recipes`), or a .yaml file.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished search.")]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|NAME|MODULE:CALLABLE",
        help="A folder of images, digits, a name on the Hugging Face hub; or code of yours that makes the data.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Device = Annotated[str | None, typer.Option(help="Where to train: cpu, cuda or cuda:N.", show_default="cpu")]
Seed = Annotated[int | None, typer.Option(min=0, max=MOST_SEED, help="Random seed.", show_default="0")]
Epochs = Annotated[
    int | None, typer.Option(min=1, max=MOST_COUNT, help="Epochs of training.", show_default="the recipe's")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:CALLABLE",
        help="Code of yours that makes the network which gates were put on; called without arguments.",
        show_default=False,
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Call the code that the recipe or the run names for its network.")]
MemberFolder = Annotated[
    Path | None, typer.Option("--out", help="Save the built member in this new folder.", show_default=False)
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="λ|S1,S2,…", help="A position of the run's dial.", show_default=False),
]
LatencyMs = Annotated[
    float | None, typer.Option("--latency-ms", help="At most so many milliseconds.", show_default=False)
]
Params = Annotated[float | None, typer.Option("--params", help="At most so many parameters.", show_default=False)]
Flops = Annotated[float | None, typer.Option("--flops", help="At most so many FLOPs.", show_default=False)]
SizeBytes = Annotated[
    float | None, typer.Option("--size-bytes", help="At most so many bytes of weights.", show_default=False)
]
On = Annotated[
    str | None,
    typer.Option("--on", metavar="DEVICE", help="Which one of the devices searched for.", show_default="the first"),
]
PeakBytes = Annotated[
    float | None, typer.Option("--peak-bytes", help="At most so many bytes of activations at once.", show_default=False)
]
Confidence = Annotated[
    float | None,
    typer.Option(
        help="How sure the milliseconds are to be: by the cost table's own error; 0.5 keeps no margin.",
        show_default="0.95",
    ),
]
Measured = Annotated[
    bool, typer.Option("--measure", help="Time the best candidates here; take one that truly meets --latency-ms.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what was interrupted.")]
