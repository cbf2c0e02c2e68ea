"""Keeping exporters' developer messages off standard error."""

from __future__ import annotations

import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from typing import Any

_OF_TORCH = re.compile(r"torch(\.|$)")
"""Names of its modules and loggers."""


@contextmanager
def quiet() -> Iterator[None]:
    """Let neither warnings nor log lines below an error through, nor what is written to `sys.stderr`.

    They speak of deprecated parts and optional libraries. What could be wrong shows in the outputs, which are compared.
    """
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Keep back warnings of torch, its log lines and what it prints to `sys.stderr`, and nothing that others say.

    It speaks of how it follows code. What of that matters to the user is said in a sentence, by whoever calls this.
    """
    loggers = [own for own in list(logging.root.manager.loggerDict.values()) if isinstance(own, logging.Logger)]
    handlers = {handler for own in loggers if _OF_TORCH.match(own.name) for handler in own.handlers}
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module=_OF_TORCH.pattern)
        # This one names a line of contextlib.
        warnings.filterwarnings("ignore", "The tensor attributes? .* assigned during export")
        if sys.stderr is not None:
            stack.enter_context(redirect_stderr(_ButTorch(sys.stderr)))
        for handler in handlers:
            handler.addFilter(_is_asked_for)
            stack.callback(handler.removeFilter, _is_asked_for)
        yield


def _is_asked_for(record: logging.LogRecord) -> bool:
    """Tell whether a log line is there because somebody set TORCH_LOGS, or comes from others."""
    return record.levelno < logging.WARNING or not _OF_TORCH.match(record.name)


class _ButTorch:
    """A stream to which code of torch writes in vain."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if _OF_TORCH.match(str(sys._getframe(1).f_globals.get("__name__"))):
            return len(text)
        written: int = self._stream.write(text)
        return written
