"""Units that are cut together, all of one kind: the channels of some convolutions, the heads of an attention."""

from __future__ import annotations

from dataclasses import dataclass

CONVOLUTION, LINEAR, ATTENTION, RECURRENT, STREAM = "convolution", "linear", "attention", "recurrent", "stream"


@dataclass(frozen=True)
class Group:
    """Units of which any number may stay.

    Attributes:
        name: path of the module, or of the parameter, whose output they are first, as "layer1.0.conv1".
        kind: "convolution" (channels), "linear" (hidden units), "attention" (heads), "recurrent", or "stream" (what
            layers are normalised over).
        units: how many there are.
        places: of one unit in that first output: 1 for a channel, the size of a head for a head.
        members: names of the parameters it runs through.
    """

    name: str
    kind: str
    units: int
    places: int
    members: tuple[str, ...]
