"""The interface of hypernetworks: dial features in, logits of a space out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.space import Architecture, Space

# The spread of the initial logits: DARTS's, enough to break ties and far too little to favour an option.
START = 1e-3


MOST = 2**24
"""Numbers of a hypernetwork: 64 MiB, hundreds of times what a large space needs."""


def check_numbers(count: int, what: str) -> None:
    """Raise UsageError where a hypernetwork, as `what` has it, would have more than MOST numbers."""
    if count > MOST:
        raise UsageError(f"{what} needs {count:,} parameters, but at most {MOST:,} are allowed: choose a smaller one")


class Hypernetwork(nn.Module, ABC):
    """A map G(z; a) from the features of a dial position to logits (DARTS-CC, eq. 4).

    A variant names its `kind`, says whether it takes `one_feature` only, computes `raw` and lists its `settings`;
    checks and masking are done here.
    """

    kind: ClassVar[str]
    one_feature: ClassVar[bool] = False
    mask: Tensor

    def __init__(self, space: Space, features: int) -> None:
        """Hold `space` and the number of features of a dial position.

        Raises:
            UsageError: `features` is below one.
        """
        super().__init__()
        if features < 1:
            raise UsageError(f"a hypernetwork of {features} features: expected at least one")
        self.space = space
        self.features = features
        # The mask follows from the space, so a checkpoint need not carry it.
        self.register_buffer("mask", space.mask.clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (n, m, k) for `features` (n, f), roughly in [0, 1]; a missing option has -inf.

        With -inf a softmax gives a missing option exactly 0 at any temperature and in any precision, and
        sends it no gradient; every choice has an option, so no row is all -inf. What multiplies logits
        (p · log p) must leave missing options out first.

        Raises:
            UsageError: `features` is no (n, f) tensor.
        """
        if features.ndim != 2 or features.shape[1] != self.features:
            raise UsageError(
                f"features of shape {tuple(features.shape)}: expected (n, {self.features}), one row per dial position"
            )
        logits = self.raw(features.to(next(self.parameters()).dtype))
        # Masked last: interpolating between -inf and -inf would give NaN.
        return logits.masked_fill(~self.mask, -torch.inf)

    @abstractmethod
    def raw(self, features: Tensor) -> Tensor:
        """Return finite logits (n, m, k) for checked `features` (n, f); the mask comes afterwards."""

    @abstractmethod
    def level(self) -> Tensor:
        """Return parameters (..., m, k), in their own memory, that raise raw logits by what they are raised."""

    def favour(self, architecture: Architecture, by: float) -> None:
        """Raise the logits of the options of `architecture` by `by`, wherever on the dial.

        A trained network answers by chance when half its operations are missing, whatever the dial says: gates at even
        odds would never learn from it.
        """
        with torch.no_grad():
            self.level().add_(by * self.space.one_hot(architecture).to(self.level()))

    def settings(self) -> dict[str, object]:
        """Return the settings as JSON values, by the names that the constructor takes."""
        return {}

    def to_json(self) -> dict[str, object]:
        """Return kind and settings, what `make_hypernet(space=space, features=f, **value)` takes."""
        return {"kind": self.kind, **self.settings()}

    def start(self, *leading: int) -> nn.Parameter:
        """Return a parameter (*leading, m, k) of logits so small that all options are near-uniform."""
        shape = (*leading, *self.space.shape)
        check_numbers(math.prod(shape), f"a hypernetwork of shape {shape}")
        return nn.Parameter(START * torch.randn(shape))
