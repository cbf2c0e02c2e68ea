"""Child Python processes: started with their threads, monitored, and cleaned up afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Child:
    """A process that was begun, with its pipes.

    Attributes:
        errors: what it, and libraries, wrote to standard error.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def ending(self) -> str:
        """Wait for its end; return how that came about, and the last that was written to standard error."""
        status = self.process.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        return how + (f" ({said[-1].strip()})" if said else "")


@contextmanager
def child(module: str, threads: int, settings: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run `module` in a new process; whatever happens within, it is gone afterwards.

    Args:
        threads: that its libraries take.
        settings: environment variables beside those of this process.
    """
    environment = {**os.environ, **(settings or {}), **dict.fromkeys(_THREADS, str(threads)), "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    with tempfile.TemporaryFile() as errors:
        # Not multiprocessing, which would run the caller's script again. A session of its own, so that Ctrl-C comes
        # here alone; what libraries write on their way is kept for the case that it explains an end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        try:
            yield Child(process, errors)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # The group, as a compiler may be at work; of one that has ended some systems say that it is not ours.
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
