"""The interface of file formats: write a module, and run the file in its own runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from archdial.common.errors import UsageError
from archdial.common.libraries import check_installed
from archdial.exporting.signature import Signature

Run = Callable[..., Any]
"""From tensors, one an input, to outputs, as normalised images (n, c, h, w) to logits (n, classes), float32 both."""


def one_or_all(found: list[Any]) -> Any:
    """Return the only output, or all of them."""
    return found[0] if len(found) == 1 else found


class Format(ABC):
    """One way to keep a module in a file.

    Attributes:
        name: by which users ask for it.
        suffix: what its files end in.
        runtime: what runs its files.
        any_batch: whether a file takes a batch of any size; else it takes one image.
        libraries: what it imports beyond torch; all come with one extra of archdial.
        extra: that extra.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    runtime: ClassVar[str]
    any_batch: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    @abstractmethod
    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write `module`, a plain one in eval mode on the CPU, for inputs by `signature`; it may be changed."""

    @abstractmethod
    def load(self, path: Path) -> Run:
        """Return what runs the file at `path` in its runtime, on as many threads as torch has."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that `write` makes for `path`, itself first."""
        return (path,)

    def check_ready(self) -> None:
        """Raise UsageError unless its libraries are installed."""
        check_installed(f"the format {self.name!r}", self.libraries, self.extra)

    def check_name(self, path: Path) -> None:
        """Raise UsageError unless `path` ends as its files do."""
        if path.suffix != self.suffix:
            raise UsageError(
                f"{path}: files in the format {self.name!r} end in {self.suffix}: use {path.stem}{self.suffix}"
            )
