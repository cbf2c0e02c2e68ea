"""Image settings in a recipe: size and normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from archdial.common.errors import UsageError
from archdial.common.limits import Number, Share, Size
from archdial.common.validation import check_fields
from archdial.data import Normalize

ImageSides = Annotated[tuple[Size, ...], Field(min_length=2, max_length=2)]
"""Height and width."""

NormalizeName = Literal["none", "imagenet", "clip", "half"]

_Deviation = Annotated[Number, Field(gt=0, le=1)]
"""Of values from 0 to 1: more would be meant for values up to 255."""


@dataclass(frozen=True)
class NormalizeSettings:
    """Mean and standard deviation of pixels in [0, 1], one value a channel."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    mean: Annotated[tuple[Share, ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[_Deviation, ...], Field(min_length=1, max_length=3)]

    def __post_init__(self) -> None:
        check_fields(self, "normalize")


def normalization(setting: str | NormalizeSettings | None, channels: int) -> Normalize | None:
    """Return the normalisation that `setting` of a recipe asks for, or None where the images say it themselves.

    Raises:
        UsageError: it is for another number of channels.
    """
    if setting is None:
        return None
    try:
        if isinstance(setting, str):
            return Normalize.named(setting, channels)
        found = Normalize(setting.mean, setting.std)
    except UsageError as error:
        raise UsageError(f"normalize: {error}") from None
    if len(found.mean) != channels:
        raise UsageError(
            f"normalize has mean {list(setting.mean)} and std {list(setting.std)}, expected one value per channel, and "
            f"channels is {channels}: give {channels} of each"
        )
    return found
