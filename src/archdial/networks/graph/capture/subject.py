"""A network being captured: how it is run, and what no graph can represent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError, first_line
from archdial.networks.calling import Calling, described
from archdial.networks.graph.capture.alone import needs_others
from archdial.networks.graph.capture.by_tracing import line_at_fault
from archdial.networks.graph.capture.caches import copy_of, without_caches
from archdial.networks.graph.capture.outputs import all_close, chosen, left_out, tensors_of

_WRITTEN = "it hard-codes a batch size; use x.shape[0] or -1 instead, or 1 where it is the size of a parameter"


@dataclass(frozen=True)
class Subject:
    """What is captured: a model, how it is called, and what of its outputs is kept.

    Attributes:
        model: the user's, or one without its caches; it is never run, as it may keep what it computes.
        judge: a copy that is run.
        one: the first input of the example.
    """

    model: nn.Module
    judge: nn.Module
    calling: Calling
    outputs: tuple[str, ...] | None
    one: tuple[Tensor, ...]

    def check(self, tensors: Sequence[Tensor]) -> tuple[str, ...]:
        """Return the names of the outputs that are left out; raise UsageError where the model refuses the example."""
        try:
            return left_out(self._run(tensors), self.outputs)
        except UsageError:
            raise
        except Exception as error:
            if alone := needs_others(self.judge, error):
                raise UsageError(f"{type(self.model).__name__} {alone}") from error
            raise UsageError(
                f"{type(self.model).__name__} fails on the example input {described(self.calling.tree(tensors))}: "
                f"{_told(error)}. Pass a batch like those it was trained on"
            ) from error

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs that are kept, in evaluation mode."""
        return tensors_of(chosen(self._run(tensors), self.outputs))

    @torch.no_grad()
    def _run(self, tensors: Sequence[Tensor]) -> Any:
        # Copies: the network may write to its input.
        return self.calling.call(self.judge, [tensor.clone() for tensor in tensors])

    def without_caches(self, tensors: Sequence[Tensor]) -> Subject:
        """Return it as it is before it keeps what it computes, by what it does to `tensors`."""
        model = without_caches(self.model, lambda copy: replace(self, judge=copy).run(tensors))
        return replace(self, model=model, judge=copy_of(model))

    @cached_property
    def probe(self) -> tuple[Tensor, ...]:
        """One input by which it is judged: random values where those of the example are all equal, if it takes them.

        Of zeros many a network makes zeros, whatever else it does.
        """
        try:
            others = tuple(map(_random_if_equal, self.one))
            if all(other is tensor for other, tensor in zip(others, self.one, strict=True)):
                return self.one
            given = self.run(three_of(others))
        except Exception:
            return self.one
        return others if all(bool(tensor.isfinite().all()) for tensor in given) else self.one

    def fault(self) -> str:
        """Return what no graph can have, and how to fix it; nothing where it is something else."""
        name = type(self.model).__name__
        try:
            pair = [self.run(self.probe), self.run(self.probe)]
        except Exception as error:
            if alone := needs_others(self.judge, error):
                return f"{name} {alone}"
            return f"{name} runs on the example but not on its first input alone ({_told(error)}): {_WRITTEN}"
        for several in (two_of(self.probe), three_of(self.probe)):
            try:
                self.run(several)
            except Exception as error:
                return f"{name} runs on one input but not on {len(several[0])} ({_told(error)}): {_WRITTEN}"
        if not all_close(*pair):
            return (
                f"{name} is not deterministic in evaluation mode: it draws random numbers or caches results. Do that "
                "only `if self.training`"
            )
        return ""


def _told(error: Exception) -> str:
    return f"{first_line(error)} at {line_at_fault(error)}"


def one_of(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the first input of a batch; what has no dimension of the batch stays."""
    count = len(tensors[0])
    return tuple(tensor[:1] if tensor.dim() and len(tensor) == count else tensor for tensor in tensors)


def two_of(one: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return a batch of one input twice."""
    return _several(one, lambda tensor: (tensor, tensor))


def three_of(one: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return a batch of three variations of one input."""
    return _several(one, lambda tensor: (tensor, tensor.flip(-1), tensor.roll(1, -1)))


def _several(one: Sequence[Tensor], vary: Callable[[Tensor], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Return a batch of variations of one input."""
    return tuple(torch.cat(vary(tensor)) if tensor.dim() and len(tensor) == 1 else tensor for tensor in one)


def _random_if_equal(tensor: Tensor) -> Tensor:
    # Of half precision a graph may give what is rounded otherwise, and zeros are zeros in both.
    is_free = tensor.is_floating_point() and tensor.dtype.itemsize >= 4 and not tensor.is_meta
    if not is_free or tensor.numel() < 2 or tensor.ne(tensor.flatten()[0]).any():
        return tensor
    drawn = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0))
    return torch.empty_like(tensor).copy_(drawn)
