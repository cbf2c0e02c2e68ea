"""A built member: its module, and everything needed to run it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from archdial.data import Normalize
from archdial.exporting.signature import Signature
from archdial.networks.example import Inputs


@dataclass(frozen=True, eq=False)
class BuiltMember:
    """A plain module and what belongs to it.

    Attributes:
        module: from normalised images (n, *input_shape) to logits (n, classes); of others as its family's network.
        input_shape: (channels, height, width) of one image; of several inputs that of the first.
        normalize: from pixels to what the module takes; None of what takes no images in memory.
        classes: names, in the order of the logits.
        figures: of the member, as `Member.to_json` has them.
        example: inputs such as it takes, where these are no images in memory.
    """

    module: nn.Module
    input_shape: tuple[int, ...]
    normalize: Normalize | None
    classes: tuple[str, ...]
    figures: dict[str, Any]
    example: Inputs | None = None

    @cached_property
    def signature(self) -> Signature:
        """What its file takes and gives."""
        if self.normalize is not None or self.example is None:
            return Signature.of_images(self.input_shape)
        return Signature.of(self.module, self.example)
