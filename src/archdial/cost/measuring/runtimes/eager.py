"""Plain PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from archdial.cost.measuring.runtimes.interface import Runtime, as_arrays
from archdial.cost.measuring.timing import Call, Clock, threads
from archdial.networks.layout import put_in_order

Sent = tuple[nn.Module, tuple[Tensor, ...]]


class Eager(Runtime):
    """The module itself: evaluation mode, inference mode, channels last."""

    name = "eager"
    layout = "channels_last"
    library = "torch"
    devices = ("cpu", "cuda")

    def laid_out(self, example: Tensor) -> Tensor:
        """Return an image channels last."""
        return example.contiguous(memory_format=torch.channels_last) if example.dim() == 4 else example

    def convert(self, module: nn.Module, *examples: Tensor) -> Sent:
        """Return module and examples."""
        return put_in_order(module.eval(), torch.channels_last), examples

    def load(self, converted: Sent) -> Call:
        """Return a call of the module."""
        module, examples = converted
        return partial(module.to(self.device), *(example.to(self.device) for example in examples))

    def arrays(self, result: Any) -> list[numpy.ndarray]:
        """Return the module's outputs."""
        return as_arrays(result)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Fix torch's threads, and enter inference mode once: doing so in each call would cost microseconds."""
        with threads(self.threads), torch.inference_mode():
            yield

    def clock(self) -> Clock:
        """Return the processor's clock, or one of events on the CUDA device, which waits for them."""
        return super().clock() if self.device == "cpu" else CudaClock(self.device)


class CudaClock:
    """Seconds between events on a CUDA device's stream; a look at it waits for the work before it."""

    def __init__(self, device: str) -> None:
        self._device, self._seconds = torch.device(device), 0.0
        self._last = self._event()

    def __call__(self) -> float:
        """Return seconds since the clock was made."""
        event = self._event()
        # From one look to the next: an event tells milliseconds in single precision, too coarse over minutes.
        self._seconds += self._last.elapsed_time(event) / 1000.0
        self._last = event
        return self._seconds

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        event.synchronize()
        return event
