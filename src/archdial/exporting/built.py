"""A member that is built: its module, and what whoever runs it has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from archdial.common.errors import UsageError
from archdial.data import Normalize


@dataclass(frozen=True, eq=False)
class BuiltMember:
    """A plain module and what belongs to it.

    Attributes:
        module: from normalised images (n, *input_shape) to logits (n, classes).
        input_shape: (channels, height, width) of one image; of several inputs that of the first.
        normalize: from pixels to what the module takes; None of what takes no images in memory.
        classes: names, in the order of the logits.
        figures: of the member, as `Member.to_json` has them.
    """

    module: nn.Module
    input_shape: tuple[int, ...]
    normalize: Normalize | None
    classes: tuple[str, ...]
    figures: dict[str, Any]

    @property
    def normalization(self) -> Normalize:
        """From pixels to what the module takes.

        Raises:
            UsageError: it takes no images in memory.
        """
        if self.normalize is None:
            raise UsageError(
                "files are written of members that take images in memory: of others export what build() returns, as by "
                "torch.export.export(member.build(), …)"
            )
        return self.normalize
