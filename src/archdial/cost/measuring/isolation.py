"""Measuring in a process of its own, on which nothing of the caller's weighs: threads, allocator, libraries."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from archdial.common.errors import RunError, reason
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.timing import Progress, Timing
from archdial.cost.measuring.transport import packed

_CHILD = "archdial.cost.measuring.worker"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SETTINGS = {
    # What is compiled is compiled in the process that measures, and read from no cache of pickles.
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    "TORCHINDUCTOR_AUTOGRAD_CACHE": "0",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Task:
    """What the process that measures is told before the subjects come."""

    runtime: str
    threads: int
    device: str
    repeats: int
    subjects: int


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
    with _process(runtime.threads) as child:
        child.send(pickle.dumps(asdict(Task(runtime.name, runtime.threads, runtime.device, repeats, count))))
        for name, converted in subjects:
            child.send(_sendable(name, converted, runtime))
            child.answer(f"{name!r} does not run on {runtime.name}", progress)
        found = child.answer(f"measuring on {runtime.name} failed", progress)
    return [Timing(median, spread) for median, spread in found]


def _sendable(name: str, converted: Any, runtime: Runtime) -> bytes:
    try:
        return packed(converted)
    except Exception as error:
        raise RunError(
            f"{name!r} cannot be sent to the process that measures on {runtime.name} ({reason(error)}): "
            "keep locks, files and the like out of the module"
        ) from error


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def send(self, message: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(message)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended("the process that measures ended") from None

    def answer(self, failure: str, progress: Progress | None) -> Any:
        """Return the next answer; steps that are told before it go to `progress`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            value = json.loads(line)
            if "error" in value:
                raise RunError(f"{failure}: {value['error']}")
            if "answer" in value:
                return value["answer"]
            if progress is not None:
                progress(*value["steps"])
        raise self._ended(failure)

    def _ended(self, failure: str) -> RunError:
        status = self.process.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        reason = f" ({said[-1].strip()})" if said else ""
        return RunError(f"{failure}: the process that measures ended {how}{reason}; close other programs, or try again")


@contextmanager
def _process(threads: int) -> Iterator[_Child]:
    """Start the process that measures; whatever happens within, it is gone afterwards."""
    environment = {**os.environ, **_SETTINGS, **dict.fromkeys(_THREADS, str(threads))}
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    with tempfile.TemporaryFile() as errors:
        # Not multiprocessing, which would run the caller's script again. A session of its own, so that Ctrl-C comes
        # here alone; what libraries write on their way is kept for the case that it explains an end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        try:
            yield _Child(process, errors)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # The group, as a compiler may be at work.
    if hasattr(os, "killpg"):
        with _gone():
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with _gone():
                stream.close()


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except (ProcessLookupError, BrokenPipeError):
        return
