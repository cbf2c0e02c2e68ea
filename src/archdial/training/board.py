"""Figures for TensorBoard, written immediately: its own writer has a thread that reports a full disk too late."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archdial.common.files import naming


class Board:
    """One file of events in a folder."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        began = time.time_ns()
        name = f"events.out.tfevents.{began // 10**9:010}.{socket.gethostname()}.{os.getpid()}.{began % 10**9}"
        self.path = folder / name
        self._event: Any = Event
        with naming(self.path):
            self._stream = self.path.open("xb")
            self._records: Any = RecordWriter(self._stream)
            self._write(file_version="brain.Event:2")

    def add(self, figures: Mapping[str, float], step: int) -> None:
        """Write `figures` by name, as they are after `step` steps."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        with naming(self.path):
            for name, value in figures.items():
                self._write(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]))
            self._stream.flush()

    def close(self) -> None:
        """Write what is left."""
        with naming(self.path):
            self._stream.close()

    def _write(self, **event: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **event).SerializeToString())
