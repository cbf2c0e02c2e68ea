"""Measuring in a separate process, unaffected by the caller's threads, allocator and libraries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archdial.common.child_process import Child, child
from archdial.common.errors import RunError, reason
from archdial.cost.measuring.runtimes import Runtime, registered
from archdial.cost.measuring.timing import Progress, Timing
from archdial.cost.measuring.transport import packed

_CHILD = "archdial.cost.measuring.worker"
_SETTINGS = {
    # What is compiled is compiled in the process that measures, and read from no cache of pickles.
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    "TORCHINDUCTOR_AUTOGRAD_CACHE": "0",
}


@dataclass(frozen=True)
class Task:
    """What the process that measures is told before the subjects come.

    Attributes:
        own: the class of a runtime that the user registered; only the user's own process knows it by name.
    """

    runtime: str
    threads: int
    device: str
    repeats: int
    subjects: int
    own: type[Runtime] | None = None


def timings(
    runtime: Runtime,
    subjects: Iterable[tuple[str, Any]],
    *,
    count: int,
    repeats: int,
    progress: Progress | None = None,
) -> list[Timing]:
    """Return what each of `count` subjects takes, their repetitions interleaved, in one new process.

    Args:
        runtime: what runs them.
        subjects: name, and what `runtime.convert` returned; taken one by one, so that they need not all be here.
        count: how many.
        repeats: repetitions of each.
        progress: called with (steps done, steps in all).

    Raises:
        RunError: a subject cannot be sent or does not run, or the process ended.
    """
    with child(_CHILD, runtime.threads, _SETTINGS) as process:
        measuring = _Measuring(process)
        own = registered(runtime.name)
        task = Task(runtime.name, runtime.threads, runtime.device, repeats, count, own)
        measuring.send(_sendable("the runtime", vars(task), runtime))
        for name, converted in subjects:
            measuring.send(_sendable(name, converted, runtime))
            measuring.answer(f"{name!r} failed on {runtime.name}", progress)
        found = measuring.answer(f"measuring on {runtime.name} failed", progress)
    return [Timing(median, spread) for median, spread in found]


def _sendable(name: str, converted: Any, runtime: Runtime) -> bytes:
    try:
        return packed(converted)
    except Exception as error:
        raise RunError(
            f"{name!r} cannot be sent to the {runtime.name} measuring process ({reason(error)}): "
            "remove locks, open files and similar objects from the module"
        ) from error


@dataclass(frozen=True)
class _Measuring:
    child: Child

    def send(self, message: bytes) -> None:
        assert self.child.process.stdin is not None
        try:
            self.child.process.stdin.write(message)
            self.child.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended("the measuring process ended") from None

    def answer(self, failure: str, progress: Progress | None) -> Any:
        """Return the next answer; steps that are told before it go to `progress`."""
        assert self.child.process.stdout is not None
        for line in self.child.process.stdout:
            value = json.loads(line)
            if "error" in value:
                raise RunError(f"{failure}: {value['error']}")
            if "answer" in value:
                return value["answer"]
            if progress is not None:
                progress(*value["steps"])
        raise self._ended(failure)

    def _ended(self, failure: str) -> RunError:
        how = self.child.ending()
        return RunError(f"{failure}: the measuring process ended {how}; close other programs, or try again")
