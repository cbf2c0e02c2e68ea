"""The interface of runtimes: convert a module, and call the result."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from archdial.common import versions
from archdial.common.errors import UsageError
from archdial.common.libraries import imported
from archdial.cost.measuring.timing import Call, Clock

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

INPUT = "input_"
"""What inputs of ONNX models are called, before their number."""
FEWEST_NETWORKS, MOST_NETWORKS = 32, 64


class Runtime(ABC):
    """Turns a module and example inputs into a call that can be timed, in two steps.

    `convert` runs where the network is, `load` and the call in a process of their own, which is sent what `convert`
    returned.

    Attributes:
        name: by which users ask for it.
        layout: memory layout of images and their filters; goes into the table's header.
        library: what it runs on; its version goes into the table's header.
        needs: libraries that `convert` and `load` import.
        extra: the extra of archdial that installs these.
        devices: types of device that it can measure.
        eight_bits: whether it computes in integers where a network says so.
        effort: about how many repetitions last as long as converting and loading one part, for the bar.
        threads: how many a call may use.
        device: where it runs.
    """

    name: ClassVar[str]
    layout: ClassVar[str]
    library: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    effort: ClassVar[int] = 0
    eight_bits: ClassVar[bool] = False

    def __init__(self, threads: int = 1, device: str = "cpu") -> None:
        self.threads, self.device = threads, device

    def networks(self, parts: int, *, mixed: bool = False) -> int:
        """Return how many whole networks a table of `parts` parts is fitted to by default.

        Each part is an unknown: as many networks as parts, within what a minute is enough for; twice that where
        precisions are `mixed`, as borders cost what depends on both sides.
        """
        times = 2 if mixed else 1
        return min(max(FEWEST_NETWORKS, times * parts), times * MOST_NETWORKS)

    def check(self) -> None:
        """Raise UsageError unless its libraries are here and it can run on `device`."""
        if self.device.partition(":")[0] not in self.devices:
            raise UsageError(
                f"runtime {self.name!r} cannot measure on device {self.device!r}: expected {' or '.join(self.devices)}"
            )
        for library in self.needs:
            self.imported(library)

    def imported(self, library: str) -> Any:
        """Return the module called `library`.

        Raises:
            UsageError: it is missing.
        """
        return imported(library, f"runtime {self.name!r}", self.extra)

    def version(self) -> str:
        """Return the version of the library that it runs on."""
        return versions.version(self.library)

    def laid_out(self, example: Tensor) -> Tensor:
        """Return an image or activation (batch, …) in the layout in which the runtime wants it."""
        return example

    @abstractmethod
    def convert(self, module: nn.Module, *examples: Tensor) -> Any:
        """Return what `load` needs to run `module` on `examples` (batch, …); it must bear being pickled.

        The module is the runtime's to change.
        """

    @abstractmethod
    def load(self, converted: Any) -> Call:
        """Return a call that runs what `convert` returned once; within `ready`."""

    @abstractmethod
    def arrays(self, result: Any) -> list[numpy.ndarray]:
        """Return the outputs that a call returned as `result`, as arrays of their own."""

    def ready(self) -> AbstractContextManager[None]:
        """Return a context in which its calls are loaded and run, on `threads` threads."""
        return nullcontext()

    def clock(self) -> Clock:
        """Return a clock by which the work of a call that has returned is done."""
        return time.perf_counter

    def prepare(self, module: nn.Module, *examples: Tensor) -> Call:
        """Return a call that runs `module` on `examples` (batch, …) in this process; within `ready`."""
        return self.load(self.convert(module, *examples))


def keeping(call: Call, *kept: object) -> Call:
    """Return `call`, a function, with what must live as long: libraries read inputs and models where they are."""
    vars(call)["kept"] = kept
    return call


def as_arrays(result: Tensor | tuple[Any, ...] | list[Any]) -> list[numpy.ndarray]:
    """Return copies of a tensor, or of the tensors in a list, as arrays."""
    tensors = result if isinstance(result, tuple | list) else [result]
    return [tensor.detach().cpu().numpy().copy() for tensor in tensors]
