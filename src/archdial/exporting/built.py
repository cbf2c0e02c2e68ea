"""A member that is built: its module, and what whoever runs it has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from archdial.data import Normalize


@dataclass(frozen=True, eq=False)
class BuiltMember:
    """A plain module and what belongs to it.

    Attributes:
        module: from normalised images (n, *input_shape) to logits (n, classes).
        input_shape: (channels, height, width) of one image.
        normalize: from pixels to what the module takes.
        classes: names, in the order of the logits.
        figures: of the member, as `Member.to_json` has them.
    """

    module: nn.Module
    input_shape: tuple[int, ...]
    normalize: Normalize
    classes: tuple[str, ...]
    figures: dict[str, Any]
