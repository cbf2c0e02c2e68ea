"""Training members in parallel, each in its own single-threaded process that reads the run."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from archdial.common.child_process import Child, child
from archdial.common.errors import RunError, UsageError
from archdial.runs.alone.school import Told
from archdial.training.interrupt import Interrupt

_CHILD = "archdial.runs.alone.worker"
_PATIENCE = 60.0
"""Seconds in which a worker that is asked to stop ends the step in hand and writes its checkpoint."""
_LOOK = 0.2


@dataclass(frozen=True)
class Call:
    """What a worker is told before it is told which members to train; names of code are those that the person typed."""

    run: str
    data: str | None
    model: str | None
    trust: bool


class Stopped(Exception):
    """The trainings were asked to stop; each has kept how far it was."""


def train_beside(call: Call, numbers: Sequence[int], count: int, told: Told) -> None:
    """Train the members of these `numbers` of the plan in `count` processes.

    Args:
        told: is told of steps as they are done.

    Raises:
        Stopped: Ctrl-C, or the process was asked to end.
        RunError, UsageError: a training failed; the others have stopped and kept how far they were.
    """
    waiting: queue.Queue[int] = queue.Queue()
    for number in numbers:
        waiting.put(number)
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    with ExitStack() as stack, Interrupt() as interrupt:
        workers = [stack.enter_context(_worker(call)) for _ in range(min(count, len(numbers)))]
        for worker in workers:
            threading.Thread(target=worker.work, args=(waiting, heard), daemon=True).start()
        try:
            _follow(heard, len(numbers), told, interrupt)
        finally:
            # All of them first: each takes a moment to write down how far it is.
            for worker in workers:
                worker.ask_to_stop()


def _follow(heard: queue.Queue[dict[str, Any]], left: int, told: Told, interrupt: Interrupt) -> None:
    """Listen until all trainings are over, one has failed, or Ctrl-C."""
    while left:
        if interrupt.asked:
            raise Stopped
        try:
            value = heard.get(timeout=_LOOK)
        except queue.Empty:
            continue
        if "error" in value:
            raise (UsageError if value["status"] == 2 else RunError)(value["error"])
        if "interrupted" in value:
            raise Stopped
        told(value.get("steps", 0))
        left -= "done" in value


@dataclass(frozen=True)
class _Worker:
    child: Child

    def work(self, waiting: queue.Queue[int], heard: queue.Queue[dict[str, Any]]) -> None:
        """Have one member after the other trained; whatever the process says is heard."""
        try:
            while self._answered(heard, ("ready", "done")):
                self._send(str(waiting.get_nowait()))
        except queue.Empty:
            return
        except (OSError, ValueError) as error:
            heard.put({"error": f"cannot reach the training process ({error})", "status": 1})

    def _send(self, line: str) -> None:
        assert self.child.process.stdin is not None
        with suppress(BrokenPipeError):
            self.child.process.stdin.write(f"{line}\n".encode())
            self.child.process.stdin.flush()

    def _answered(self, heard: queue.Queue[dict[str, Any]], ends: Sequence[str]) -> bool:
        """Pass on what is said until one of `ends`; return False where the process ended or failed before."""
        assert self.child.process.stdout is not None
        for line in self.child.process.stdout:
            value = json.loads(line)
            heard.put(value)
            if any(end in value for end in ends):
                return True
            if "error" in value or "interrupted" in value:
                return False
        heard.put({"error": self._ended(), "status": 1})
        return False

    def _ended(self) -> str:
        how = self.child.ending()
        return f"a training process ended {how}: close other programs or use fewer --workers, then resume"

    def ask_to_stop(self) -> None:
        """Let it end the step in hand; where it trains nothing, that is at once."""
        with suppress(ProcessLookupError):
            self.child.process.terminate()

    def stop(self) -> None:
        """See it end, if it does in time."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self.child.process.wait(_PATIENCE)


@contextmanager
def _worker(call: Call) -> Iterator[_Worker]:
    """Start a process that trains; afterwards it is gone."""
    with child(_CHILD, threads=1) as process:
        worker = _Worker(process)
        try:
            worker._send(json.dumps(asdict(call)))
            yield worker
        finally:
            worker.stop()
