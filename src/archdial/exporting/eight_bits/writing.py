"""From a built member to a file in eight bits, measured beside the same member in float32."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archdial.common.errors import RunError
from archdial.common.files import replacing_all, write_json
from archdial.common.libraries import check_installed
from archdial.common.progress import Bar, NoBar
from archdial.common.quiet import quiet
from archdial.cost.measuring.timing import threads
from archdial.exporting.agreement import tried
from archdial.exporting.built import BuiltMember
from archdial.exporting.calibration import Calibration
from archdial.exporting.eight_bits.quantized import Quantized, Side
from archdial.exporting.eight_bits.quantizers import quantizer_format
from archdial.exporting.file_format import Format, Run
from archdial.exporting.file_network import FileNetwork, Judge
from archdial.exporting.formats import make_format
from archdial.exporting.record import beside, record_of
from archdial.exporting.steps import frozen, refused, timed, written_and_loaded
from archdial.networks.eight_bits.deployed import in_float
from archdial.tasks.task import tensors_in


@dataclass(frozen=True)
class _Written:
    """A file, and what runs it."""

    chosen: Format
    path: Path
    run: Run

    @property
    def files(self) -> tuple[Path, ...]:
        return self.chosen.files(self.path)

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)


def written(path: Path | None, runtime: str) -> tuple[Path, ...]:
    """Return the files that `quantize` will write.

    Raises:
        UsageError: the runtime has no quantizer, `path` ends in another way, or a library is missing.
    """
    kind = quantizer_format(runtime)
    plain = make_format(kind.name)
    check_installed(f"int8 for {runtime}", kind.libraries, kind.extra)
    if path is None:
        return ()
    plain.check_name(path)
    return *plain.files(path), beside(path)


def quantize(
    built: BuiltMember,
    runtime: str,
    calibration: Iterable[Any],
    path: str | Path | None = None,
    *,
    judge: Judge | None = None,
    bar: Bar | NoBar | None = None,
) -> Quantized:
    """Quantize `built` for `runtime` after training, and measure it beside the same member in float32.

    Args:
        built: `member.built()`, or `load_built(folder)` of a saved one.
        runtime: onnxruntime, openvino or executorch.
        calibration: batches of network inputs, of which up to 256 examples are used: `family.calibrating`.
        path: where the file in eight bits and its record, `path` + .json, are kept; existing files are replaced. None
            keeps nothing.
        judge: returns the score of a network; both files are then scored.
        bar: shows the progress.

    Raises:
        UsageError: the runtime has no quantizer, a library is missing, the path has the wrong suffix, or there are no
            calibration data.
        RunError: the quantizer refuses the member, or the runtime its file.
    """
    targets = written(None if path is None else Path(path), runtime)
    examples, kind = Calibration(built.signature, calibration), quantizer_format(runtime)
    eight, plain = kind(examples), make_format(kind.name)
    part = (bar or NoBar()).part(f"quantize for {runtime}", 4)
    with tempfile.TemporaryDirectory() as folder, threads(1), quiet():
        # A member that has eight bits of its own is compared, and quantised, as a whole.
        module = in_float(frozen(built.module))
        both = []
        for chosen, name in ((plain, "float32"), (eight, "int8")):
            both.append(_written(chosen, module, built, Path(folder) / f"{name}{chosen.suffix}"))
            part.advance()
        timings = timed([one.run for one in both], built)
        sides = [
            Side(one.bytes, timing, _score(one, module, built, judge))
            for one, timing in zip(both, timings, strict=True)
        ]
        part.advance()
        mean, largest = _differences(both, examples)
        result = Quantized(sides[0], sides[1], mean, largest, runtime, len(examples))
        if targets:
            _keep(targets, both[1], built, result)
        part.advance()
    return result


def _written(chosen: Format, module: nn.Module, built: BuiltMember, path: Path) -> _Written:
    with refused(f"{chosen.runtime} refuses this member in {path.stem}", "runtime"):
        run = written_and_loaded(chosen, module, built, path)
        run(*tried(built, 1))
    return _Written(chosen, path, run)


def _score(one: _Written, module: nn.Module, built: BuiltMember, judge: Judge | None) -> float | None:
    return None if judge is None else judge(FileNetwork(one.run, one.chosen, built.signature, module))


def _differences(both: list[_Written], examples: Calibration) -> tuple[float, float]:
    """Return how far outputs are apart on the calibration examples: in the mean, of the mean output, and at most."""
    apart = size = most = 0.0
    for inputs in examples.batches(1):
        # Outputs may lie in memory that the next run writes to.
        plain, eight = (torch.cat([one.double().flatten() for one in tensors_in(each.run(*inputs))]) for each in both)
        # What is masked is -inf in both.
        gaps = torch.where(plain == eight, 0.0, (plain - eight).abs())
        apart, most = apart + float(gaps.mean()), max(most, float(gaps.max()))
        size += float(torch.where(plain.isfinite(), plain, 0.0).abs().mean())
    if not math.isfinite(apart):
        runtime = both[1].chosen.runtime
        raise RunError(f"{runtime} gives int8 outputs that are not finite: nothing was written; try another runtime")
    return (apart / size if size else 0.0), most


def _keep(targets: Sequence[Path], eight: _Written, built: BuiltMember, result: Quantized) -> None:
    with replacing_all(targets) as folder:
        *files, record = (folder / target.name for target in targets)
        for source, target in zip(eight.files, files, strict=True):
            target.write_bytes(source.read_bytes())
        told = record_of(built, eight.chosen, files, (1,), result.largest_difference, result.int8.timing)
        write_json(record, {**told, "precision": "int8", "quantized": result.to_json()})
