"""From a built member to a file: written, run in its runtime, compared, timed, and only then kept."""

from __future__ import annotations

import math
from pathlib import Path

from torch import nn

from archdial.common.errors import RunError, reason
from archdial.common.files import replacing_all, write_json
from archdial.common.progress import Bar, NoBar
from archdial.common.quiet import quiet
from archdial.cost.measuring.timing import threads
from archdial.exporting.agreement import differences, tried
from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Format, Run
from archdial.exporting.file_network import FileNetwork, Judge
from archdial.exporting.formats import make_format
from archdial.exporting.record import Exported, beside, record_of
from archdial.exporting.steps import frozen, refused, timed, written_and_loaded

BATCHES = (1, 4)


def written(path: Path, format: str) -> tuple[Path, ...]:
    """Return the files that `export` will write.

    Raises:
        UsageError: there is no such format, `path` ends in another way, or a library is missing.
    """
    chosen = make_format(format)
    chosen.check_name(path)
    chosen.check_ready()
    return *chosen.files(path), beside(path)


def export(
    built: BuiltMember,
    path: str | Path,
    format: str,
    *,
    judge: Judge | None = None,
    scored_on: str = "",
    bar: Bar | NoBar | None = None,
) -> Exported:
    """Write `built` to `path` and its record to `path` + .json; they are kept only if the outputs match the module's.

    Outputs for random inputs may differ by 1e-4 of the largest (see `differences`), at batch size 1 and, if the format
    supports any size, 4. One input is timed on one thread. A member that computes in int8 is written in int8.

    Args:
        built: `member.built()`, or `load_built(folder)` of a saved one.
        path: destination; existing files are replaced.
        format: pt2, onnx, openvino, executorch or huggingface.
        judge: returns the score of a network; the file, run in its runtime, is then scored.
        scored_on: what `judge` scores on, such as "validation"; goes into the record.

    Raises:
        UsageError: there is no such format, the path has the wrong suffix, or a library is missing.
        RunError: the format cannot represent the module, or the file does not reproduce it.
    """
    path = Path(path)
    targets = written(path, format)
    chosen = make_format(format)
    part = (bar or NoBar()).part(f"export to {format}", 3)
    with replacing_all(targets) as folder, threads(1), quiet():
        *files, record = (folder / target.name for target in targets)
        module = frozen(built.module)
        with refused(f"the format {chosen.name!r} cannot represent this member", "format"):
            run = written_and_loaded(chosen, module, built, files[0])
        part.advance()
        batches = BATCHES if chosen.any_batch else BATCHES[:1]
        apart = _compared(chosen, run, module, built, batches)
        part.advance()
        result = record_of(built, chosen, files, batches, apart, timed([run], built)[0])
        if judge is not None:
            result["score"] = {"value": judge(FileNetwork(run, chosen, built.signature, module)), "on": scored_on}
        part.advance()
        write_json(record, result)
    return Exported(path, result)


def _compared(chosen: Format, run: Run, module: nn.Module, built: BuiltMember, batches: tuple[int, ...]) -> float:
    try:
        apart, allowed = differences(run, module, [tried(built, batch) for batch in batches])
    except Exception as error:
        raise RunError(
            f"{chosen.runtime} cannot run the file ({reason(error)}): nothing was written; try another format"
        ) from error
    if apart > allowed:
        how = f"{apart:.2g} apart" if math.isfinite(apart) else "of another shape, or not finite"
        raise RunError(
            f"the format {chosen.name!r} does not reproduce the member: outputs are {how}, expected at most "
            f"{allowed:g} apart; nothing was written, try another format"
        )
    return apart
