"""The formats by name."""

from __future__ import annotations

from archdial.common.errors import unknown
from archdial.exporting.executorch import ExecuTorch
from archdial.exporting.file_format import Format
from archdial.exporting.huggingface import HuggingFace
from archdial.exporting.onnx import Onnx
from archdial.exporting.openvino import OpenVino
from archdial.exporting.pt2 import Pt2

FORMATS: dict[str, type[Format]] = {kind.name: kind for kind in (Pt2, Onnx, OpenVino, ExecuTorch, HuggingFace)}


def make_format(name: str) -> Format:
    """Return the format called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return FORMATS[name]()
