"""Inputs of cells: images, signals or tokens, as specified or from an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from torch import Tensor

from archdial.common.errors import UsageError, cut
from archdial.networks.calling import described
from archdial.networks.cells.layers import IMAGES, SIGNALS
from archdial.tasks.parts import TARGETS

FEATURES, SIDE = 64, 28
"""Numbers that a token becomes, and pixels of a side, where nobody says."""


def check_input(image_size: tuple[int, int] | None, length: int | None, tokens: int | None, name: str) -> None:
    """Raise UsageError unless inputs are either images or of one length, and `name` can be that of an argument."""
    if (image_size is None) == (length is None):
        raise UsageError(
            f"image_size is {image_size} and length {length}: expected exactly one of them, the other null"
        )
    if tokens is not None and length is None:
        raise UsageError(f"tokens is {tokens} for images: tokens require length")
    # It becomes part of the code of a member.
    if not name.isidentifier() or iskeyword(name) or name == "self":
        raise UsageError(f"input_name is {cut(name)!r}: expected an argument name such as input_ids")


def unknown_tokens(inputs: Tensor, tokens: int | None) -> UsageError:
    """Return what is wrong with `inputs`, of which some lie outside a vocabulary of `tokens`."""
    found, most = f"{int(inputs.min())} to {int(inputs.max())}", (tokens or 0) - 1
    return UsageError(f"tokens from {found}, but the network accepts 0 to {most}: create it with more tokens")


@dataclass(frozen=True)
class Input:
    """Fields of a plan.

    Attributes:
        name: of the input, in batches by name.
    """

    in_channels: int
    image_size: tuple[int, int] | None = None
    length: int | None = None
    tokens: int | None = None
    name: str = "inputs"

    @property
    def dimensions(self) -> int:
        """1 of signals and tokens, 2 of images."""
        return SIGNALS if self.image_size is None else IMAGES


def input_of(
    example: object,
    in_channels: int | None,
    image_size: int | tuple[int, int] | None,
    length: int | None,
    tokens: int | None,
) -> Input:
    """Return what a caller says in numbers; or what an example shows: (n, c, h, w), (n, c, length), tokens (n, length).

    Raises:
        UsageError: something is missing, or contradicts the rest.
    """
    if example is None:
        return _said(in_channels, image_size, length, tokens)
    if image_size is not None or length is not None:
        raise UsageError("the example already determines the input size: omit image_size and length")
    return _shown(*_named(example), in_channels, tokens)


def _said(
    in_channels: int | None, image_size: int | tuple[int, int] | None, length: int | None, tokens: int | None
) -> Input:
    if tokens is not None:
        if length is None:
            raise UsageError(f"tokens = {tokens} without a length: pass length=…, the number of tokens per input")
        in_channels = FEATURES if in_channels is None else in_channels
    if in_channels is None:
        raise UsageError("cells need to know their inputs: pass in_channels=…, tokens=… or example=…")
    if length is not None:
        if image_size is not None:
            raise UsageError(
                f"length = {length} and image_size = {image_size}: signals take length, images image_size; pass one"
            )
        return Input(in_channels, None, length, tokens)
    size = SIDE if image_size is None else image_size
    return Input(in_channels, (size, size) if isinstance(size, int) else size)


def _shown(name: str, tensor: Tensor, in_channels: int | None, tokens: int | None) -> Input:
    if tensor.is_floating_point() and tensor.dim() in (3, 4) and tokens is None:
        found, *size = tensor.shape[1:]
        if in_channels not in (None, found):
            raise UsageError(f"in_channels = {in_channels}, but the example has {found}: omit in_channels")
        return Input(found, (size[0], size[1]), name=name) if len(size) == 2 else Input(found, None, size[0], name=name)
    if not tensor.is_floating_point() and tensor.dim() == 2:
        if tokens is None:
            raise UsageError(f"an example {described(tensor)} of tokens: pass tokens=…, the vocabulary size")
        return Input(FEATURES if in_channels is None else in_channels, None, tensor.shape[1], tokens, name)
    raise UsageError(
        f"an example {described(tensor)}: expected floating point numbers (n, channels, height, width) or (n, "
        "channels, length), or whole numbers (n, length) with tokens=…"
    )


def _named(example: object) -> tuple[str, Tensor]:
    """Return the one tensor of `example` and how it is called in batches."""
    if isinstance(example, Tensor):
        return "inputs", example
    found: dict[str, Any] = {}
    if isinstance(example, Mapping):
        found = {str(name): value for name, value in example.items() if name not in TARGETS}
    if len(found) != 1 or not isinstance(next(iter(found.values())), Tensor):
        raise UsageError(
            f"an example {cut(described(example), 200)}: cells take one tensor, alone or as {{'name': tensor}}; other "
            "entries of named batches are ignored"
        )
    return next(iter(found.items()))
