"""Copies of a Python into which nothing but torch was imported: it is waited for once, and not by each program."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 300
"""Seconds that a program may take."""


class Copy:
    """A program that runs as if by `python -c CODE`, or `python FILE`, but for torch, which is there already."""

    def __init__(
        self,
        code: str,
        *arguments: object,
        file: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 (said closes them)
        self._told, told = os.pipe()
        words = {"code": code, "file": file and str(file), "arguments": [str(argument) for argument in arguments]}
        place = {"cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
        nothing = os.open(os.devnull, os.O_RDONLY)
        message = json.dumps(words | place).encode()
        socket.send_fds(_original(), [message], [nothing, self.out.fileno(), self.err.fileno(), told])
        os.close(nothing)
        os.close(told)
        self._heard = b""
        self.pid = int(self._line(LONGEST))
        self._status: int | None = None

    def _line(self, seconds: float) -> bytes:
        while b"\n" not in self._heard:
            if not select.select([self._told], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired("a copied Python", seconds)
            self._heard += os.read(self._told, 64)
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def ended(self, seconds: float = LONGEST) -> int:
        """Return its status once it has ended; as of `subprocess`, a signal's number is negative."""
        if self._status is None:
            self._status = int(self._line(seconds))
            os.close(self._told)
        return self._status

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._status is None and not self._heard and not select.select([self._told], [], [], 0)[0]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, unless it has ended."""
        if self.running:
            os.kill(self.pid, number)

    def said(self, seconds: float = LONGEST) -> subprocess.CompletedProcess[str]:
        """Return what it wrote, and its status, once it has ended."""
        status = self.ended(seconds)
        texts = []
        for stream in (self.out, self.err):
            stream.seek(0)
            texts.append(stream.read().decode())
            stream.close()
        return subprocess.CompletedProcess([], status, *texts)


def run(code: str, *arguments: object, check: bool = True, **place: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; where `check`, it has to end well."""
    done = Copy(code, *arguments, **place).said()
    assert not check or done.returncode == 0, done.stderr
    return done


@functools.cache
def _original() -> socket.socket:
    """Start the Python that is copied, which ends with this one."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = there.fileno()
    original = subprocess.Popen([sys.executable, "-P", __file__, str(number)], pass_fds=[number])
    there.close()

    def end() -> None:
        here.close()
        original.wait()

    atexit.register(end)
    return here


def _serve(number: int) -> None:
    import torch  # noqa: F401

    with socket.socket(fileno=number) as asked:
        while True:
            message, descriptors, *_ = socket.recv_fds(asked, 2**20, 4)
            if not message:
                return
            if not os.fork():
                asked.close()
                _keep(json.loads(message), *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            while _over():
                pass


def _over() -> bool:
    """Take leave of one that has ended."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _keep(asked: dict[str, Any], *descriptors: int) -> NoReturn:
    """Let a copy run; tell its number first and its status last."""
    *streams, told = descriptors
    copy = os.fork()
    if not copy:
        os.close(told)
        _run(asked, streams)
    for stream in streams:
        os.close(stream)
    os.write(told, f"{copy}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    os.write(told, f"{status}\n".encode())
    os._exit(0)


def _run(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    file = asked["file"] or "-c"
    sys.argv = [file, *asked["arguments"]]
    sys.path.insert(0, str(Path(file).parent) if asked["file"] else "")
    main = types.ModuleType("__main__")
    sys.modules["__main__"], main.__file__ = main, file
    status = 0
    try:
        exec(compile(asked["code"], file, "exec"), main.__dict__)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
