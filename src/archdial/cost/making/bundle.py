"""A folder for measuring on a device without PyTorch: everything to measure as files, and a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from archdial.common.errors import UsageError
from archdial.common.files import beside, write_json
from archdial.cost.making.assembly import Plan
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.rounds import REPEATS, Progress, Timing
from archdial.networks.supernet import Part, Supernet

FORMAT, VERSION = "archdial.bundle", 1
SCRIPT, MANIFEST = "measure.py", "manifest.json"


def write_bundle(
    network: Supernet,
    folder: Path,
    *,
    batch_size: int = 1,
    networks: int | None = None,
    pte: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write each distinct part of `network`, and whole networks, as ONNX into a new `folder`, with a script to run.

    On the device `python measure.py` needs numpy and onnxruntime and writes table.json, which `CostTable.load` reads.

    Args:
        network: left as it was.
        folder: must not exist; it appears when all is written.
        batch_size: inputs a batch.
        networks: how many whole networks at most, as in `profile`; with fewer than 10 nothing is fitted.
        pte: whether each is written for ExecuTorch with XNNPACK too.
        progress: called with (files done, files in all).

    Raises:
        UsageError: the folder exists, or a library is missing.
        RunError: a part cannot be written as ONNX, or for ExecuTorch.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists: choose another --bundle")
    suffixes = {"onnx": "onnxruntime"} | ({"pte": "executorch"} if pte else {})
    runtimes = {suffix: Conditions.of(name, batch_size, 1, REPEATS, "cpu") for suffix, name in suffixes.items()}
    plan = Plan.of(network, networks, [conditions.runtime for conditions in runtimes.values()])
    subjects = plan.subjects()
    with beside(folder) as temporary:
        (temporary / "parts").mkdir()
        listed = []
        for number, part in enumerate(subjects):
            listed.append(_written(temporary, number, part, runtimes))
            if progress is not None:
                progress(number + 1, len(subjects))
        table = plan.unfitted({part.key: Timing(0.0, 0.0) for part in subjects}, {}).to_json()
        manifest = {"format": FORMAT, "version": VERSION, "batch_size": batch_size, "subjects": listed, "table": table}
        write_json(temporary / MANIFEST, manifest)
        (temporary / SCRIPT).write_text(script(), encoding="utf-8")
        temporary.replace(folder)
    return folder


def _written(folder: Path, number: int, part: Part, runtimes: Mapping[str, Conditions]) -> dict[str, Any]:
    subject: dict[str, Any] = {"key": part.key}
    for suffix, conditions in runtimes.items():
        content, inputs = conditions.converted(part)
        name = f"parts/{number:03}.{suffix}"
        (folder / name).write_bytes(content)
        subject[suffix] = name
        listed = [{"shape": list(i.shape), "dtype": str(i.dtype).removeprefix("torch.")} for i in inputs]
        # Integers of eight bits are unsigned in ONNX, and signed for XNNPACK.
        if subject.setdefault("inputs", listed) != listed:
            subject[f"{suffix}_inputs"] = listed
    return subject


def script() -> str:
    """Return the script: how calls are timed here, and what a device does with it, in one file without archdial."""
    rounds = (files("archdial.cost.measuring") / "rounds.py").read_text(encoding="utf-8")
    device = (files("archdial.cost.making") / "device_script.py").read_text(encoding="utf-8")
    document, _, body = device.partition("from __future__ import annotations\n")
    _, _, core = rounds.partition("from __future__ import annotations\n")
    body = re.sub(r"^from archdial\..*\n", "", body, flags=re.MULTILINE)
    return f"{document}from __future__ import annotations\n{core}\n\n{body.lstrip()}"
