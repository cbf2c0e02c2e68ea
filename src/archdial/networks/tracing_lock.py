"""One thread captures at a time, because torch patches module calls for the whole process."""

from __future__ import annotations

import threading

TRACING = threading.RLock()
"""Held while a network is captured.

Our own tracer leaves modules that other threads call alone; that of torch.export cannot be changed.
"""
