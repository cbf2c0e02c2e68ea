"""Keeping what exporters tell their own developers off standard error."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


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
