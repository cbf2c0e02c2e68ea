"""The record written next to an exported file: inputs, classes, member, comparison, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdial.common.versions import versions
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.machine import processor
from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Format
from archdial.exporting.signature import OUTPUT

FORMAT, VERSION = "archdial.export", 1


@dataclass(frozen=True)
class Exported:
    """An exported file, compared and measured.

    Attributes:
        path: where it was written.
        record: contents of the JSON file beside it.
    """

    path: Path
    record: dict[str, Any]

    @property
    def bytes(self) -> int:
        """Size of all files that are needed to run it."""
        return sum(self.record["files"].values())

    @property
    def latency_ms(self) -> float:
        """Median milliseconds for one input, on one thread in the format's runtime."""
        return float(self.record["latency"]["latency_ms"])

    @property
    def largest_difference(self) -> float:
        """Largest difference between its outputs and the module's."""
        return float(self.record["comparison"]["largest_difference"])

    def to_json(self) -> dict[str, Any]:
        """Return path, size in bytes and record as a JSON value."""
        return {"path": str(self.path), "bytes": self.bytes, **self.record}


def beside(path: Path) -> Path:
    """Return where the record of the file at `path` is written."""
    return path.with_name(path.name + ".json")


def record_of(
    built: BuiltMember, chosen: Format, files: Sequence[Path], batches: Sequence[int], apart: float, timing: Timing
) -> dict[str, Any]:
    """Return the record of `files`, which were compared at `batches` and timed."""
    batch: str | int = "batch" if chosen.any_batch else 1
    return {
        "format": FORMAT,
        "version": VERSION,
        "file_format": chosen.name,
        "files": {file.name: file.stat().st_size for file in files},
        **_sides(built, batch),
        "classes": list(built.classes),
        "comparison": {"batches": list(batches), "largest_difference": apart},
        "latency": {
            "latency_ms": timing.median_ms,
            "spread": timing.spread,
            "runtime": chosen.runtime,
            "batch_size": 1,
            "threads": 1,
            "device_name": processor(),
        },
        "versions": versions(*chosen.libraries),
        "member": built.figures,
    }


def _sides(built: BuiltMember, batch: str | int) -> dict[str, Any]:
    """Return what goes in and comes out: of images one of each, with how pixels are normalised, else lists."""
    inputs = built.signature.inputs_json(batch)
    if built.normalize is None:
        return {"input": inputs[0], "inputs": inputs, "outputs": list(built.signature.outputs)}
    return {
        "input": inputs[0],
        "normalize": {
            "rule": "(pixel / 255 - mean) / std, by channel",
            "mean": list(built.normalize.mean),
            "std": list(built.normalize.std),
        },
        "output": {"name": OUTPUT, "shape": [batch, len(built.classes)], "dtype": "float32"},
    }
