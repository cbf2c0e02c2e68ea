"""A built member as one file, or folder, that runs without archdial: pt2, ONNX, OpenVINO, ExecuTorch, Hugging Face."""

from archdial.exporting.agreement import TOLERANCE
from archdial.exporting.file_format import Format, Run
from archdial.exporting.formats import FORMATS, make_format
from archdial.exporting.record import Exported
from archdial.exporting.writing import export, written

__all__ = ["FORMATS", "TOLERANCE", "Exported", "Format", "Run", "export", "make_format", "written"]
