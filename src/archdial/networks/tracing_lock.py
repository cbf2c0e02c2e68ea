"""One thread captures at a time: torch traces by changing what a call of any module does, in the whole process."""

from __future__ import annotations

import threading

TRACING = threading.RLock()
"""Held while a network is captured.

Our own tracer leaves modules that other threads call alone; that of torch.export cannot be changed.
"""
