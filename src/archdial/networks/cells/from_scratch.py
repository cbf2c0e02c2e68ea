"""Recipe settings shared by all networks whose weights the search trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from archdial.common.errors import UsageError, cut
from archdial.networks.supernet import Supernet
from archdial.space import Space


class Described(Protocol):
    """What a network has to know of data."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input, or of the first of several."""

    @property
    def example(self) -> Any:
        """Inputs of a batch."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names; none where nobody tells them."""


def classified(data: Described) -> tuple[int, int, int, int]:
    """Return channels, height and width of the images in `data`, and how many classes there are.

    Raises:
        UsageError: these are no images, or nobody tells their classes.
    """
    if len(data.input_shape) != 3 or not data.classes:
        raise UsageError(
            f"inputs of shape {tuple(data.input_shape)} and {len(data.classes)} classes for cells that classify "
            'images (channels, height, width): return such images, and the class names under "classes"'
        )
    channels, height, width = data.input_shape
    return channels, height, width, len(data.classes)


class FromScratch(ABC):
    """The `network` section of a recipe for one kind: its plan without what the data decide.

    Attributes:
        later: settings that recipes of older versions do not know, and what they then are.
    """

    kind: str
    later: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        self.example_space()

    @abstractmethod
    def make(self, data: Described, *, trust: bool = False) -> Supernet:
        """Return the network for inputs and classes of `data`; it calls no code but archdial's.

        Raises:
            UsageError: it is not for such data.
        """

    @abstractmethod
    def example_space(self) -> Space:
        """Return a space like that of the network, whatever the data are."""

    @property
    def stored_weights(self) -> Path | None:
        """None: they begin with weights of their own."""
        return None

    def check_ready(self) -> None:
        """Do nothing: a search can begin."""
        return

    def with_weights(self, path: Path | None) -> Self:
        """Return the settings themselves.

        Raises:
            UsageError: weights are given.
        """
        if path is not None:
            raise UsageError(
                f"--weights {path}: this recipe searches cells, and the search trains their weights: omit it"
            )
        return self

    def with_model(self, name: str | None) -> Self:
        """Return the settings themselves.

        Raises:
            UsageError: a model is given.
        """
        if name is not None:
            raise UsageError(f"--model {cut(name)}: this recipe searches cells, which archdial creates itself: omit it")
        return self
