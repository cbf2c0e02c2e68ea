"""The interface of relaxations: logits in, option weights of a space out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.space import Space


class Relaxation(ABC):
    """A differentiable stand-in for taking one option at each choice.

    Attributes:
        name: what recipes call it.
        single_path: whether each choice gets one weight of exactly 1 and else exact zeros, so that only the
            taken options run.
        normalised: whether the weights of a choice sum to one.
        mask: boolean (m, k), where an option exists.
    """

    name: ClassVar[str]
    single_path: ClassVar[bool]
    normalised: ClassVar[bool] = True

    def __init__(self, space: Space) -> None:
        """Hold the mask of `space`."""
        self.mask = space.mask

    def sample(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return weights (…, m, k), differentiable in `logits` (…, m, k), in single precision or better.

        Each row sums to one where the relaxation is normalised; a missing option weighs exactly 0 whatever its logit.
        Each leading index is one independent sample: logits (m, k) give one sample for a whole batch of images. The
        generator may live on another device than the logits; noise from a CPU generator is the same on every device.

        Raises:
            UsageError: the logits do not fit the space, or the temperature is not positive.
        """
        if logits.shape[-2:] != self.mask.shape:
            expected = ", ".join(map(str, self.mask.shape))
            raise UsageError(f"logits of shape {tuple(logits.shape)}: expected (…, {expected})")
        if not 0.0 < temperature < float("inf"):
            raise UsageError(f"temperature {temperature}: expected a positive number")
        # Half precision is too coarse for the noise and for logits divided by a low temperature.
        precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
        masked = precise.masked_fill(~self.mask.to(logits.device), -torch.inf)
        return self.relax(masked, temperature, generator)

    def regulariser(self, logits: Tensor) -> Tensor:
        """Return what the relaxation adds to the objective at `logits` (…, m, k), shape (…): nothing, by default."""
        return logits.new_zeros(logits.shape[:-2])

    @abstractmethod
    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return weights for checked logits (…, m, k), those of missing options -inf."""
