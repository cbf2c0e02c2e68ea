"""What runs a network while it is measured: one class a runtime, found by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from archdial.errors import unknown


class Runtime(ABC):
    """Turns a module and an example input into a call that can be timed.

    Attributes:
        name: by which users ask for it.
        layout: memory layout of images and their filters; goes into the table's header.
    """

    name: ClassVar[str]
    layout: ClassVar[str]

    def laid_out(self, example: Tensor) -> Tensor:
        """Return an image or activation (batch, …) in the layout in which the runtime wants it."""
        return example

    @abstractmethod
    def prepare(self, module: nn.Module, *examples: Tensor) -> Callable[[], object]:
        """Return a call that runs `module` on `examples` (batch, …) once and returns when the work is done.

        The module is the runtime's to change. It and the call run within `timing.threads(n)`: a runtime with
        a thread pool of its own takes `torch.get_num_threads()` threads. The call runs within
        `torch.inference_mode()`, which `profile` enters once, as doing so in each call costs microseconds.
        """


class Eager(Runtime):
    """Plain PyTorch: evaluation mode, channels last."""

    name = "eager"
    layout = "channels_last"

    def laid_out(self, example: Tensor) -> Tensor:
        """Return an image channels last."""
        return example.contiguous(memory_format=torch.channels_last) if example.dim() == 4 else example

    def prepare(self, module: nn.Module, *examples: Tensor) -> Callable[[], object]:
        """Return a call of the module itself; on CUDA it waits for the device."""
        device = examples[0].device
        ready = module.eval().to(device)
        ready = ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if device.type != "cuda":
            return partial(ready, *examples)

        def call() -> object:
            result = ready(*examples)
            torch.cuda.synchronize(device)
            return result

        return call


_RUNTIMES: dict[str, type[Runtime]] = {kind.name: kind for kind in (Eager,)}


def runtime(name: str) -> Runtime:
    """Return the runtime called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in _RUNTIMES:
        raise unknown("runtime", name, _RUNTIMES)
    return _RUNTIMES[name]()
