"""Predicted against measured latency as a PNG: how reliable a cost table is."""

from __future__ import annotations

from pathlib import Path

from archdial.common.files import write_atomically
from archdial.cost.making.checking import Check
from archdial.cost.table.fit import WITHIN
from archdial.report.palette import CLOUD, FRONT


def write_check_picture(path: Path, check: Check, title: str) -> Path:
    """Write one point a network, in ms, with the line of agreement and the band of ±10 %, to `path`, a PNG."""
    # Matplotlib takes long to import, and its pyplot would keep state and look for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.0), dpi=155, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    measured = [latency / check.pace for latency in check.measured]
    low, high = 0.9 * min(measured), 1.1 * max(measured)
    line = [low, high]
    axes.fill_between(
        line, [(1 - WITHIN) * x for x in line], [(1 + WITHIN) * x for x in line], color="#E8EAEE", label="±10 %"
    )
    axes.plot(line, line, color="#9AA0AA", linewidth=1)
    axes.scatter(measured, check.summed, s=22, color=CLOUD, label=f"sum of the parts, {_told(check.plain.mean_error)}")
    axes.scatter(measured, check.predicted, s=30, color=FRONT, label=f"table, {_told(check.agreement.mean_error)}")
    axes.set_xlabel("measured (ms per batch)")
    axes.set_ylabel("predicted (ms per batch)")
    axes.set_title(title, loc="left", parse_math=False)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left")
    return write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))


def _told(error: float) -> str:
    return f"{100 * error:.1f} % mean error"
