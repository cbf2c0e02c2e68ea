"""The front as a PNG, where no page can be shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archdial.common.errors import cut, readable
from archdial.common.files import write_atomically
from archdial.report.numbers import ReportNumbers, report_numbers
from archdial.report.palette import CLOUD, FRONT, corner_colours, member_colours
from archdial.report.wording import axis_titles, dial_name, dial_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CORNERS = 12
"""Most corners of a simplex that the legend has room for."""


def write_front_picture(path: Path, members_json: Mapping[str, Any]) -> Path:
    """Write score against latency (ms) to `path`, a PNG of about 1300 × 800 pixels.

    Raises:
        UsageError: the members file is malformed.
    """
    figure = _front(report_numbers(members_json))
    return write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))


def _front(numbers: ReportNumbers) -> Figure:
    # Matplotlib takes long to import, and its pyplot would keep state and look for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.2), dpi=155, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, numbers)
    latency, score = axis_titles(numbers)
    axes.set_xlabel(_label(latency), parse_math=False)
    axes.set_ylabel(_label(score), parse_math=False)
    axes.set_title(f"{_label(numbers.data)}: one search, {len(numbers.members)} members", loc="left", parse_math=False)
    axes.grid(color="#E8EAEE")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # Where the front leaves room.
    corner: Literal["lower right", "upper right"] = "lower right" if numbers.measure.higher_is_better else "upper right"
    for text in axes.legend(loc=corner).get_texts():
        text.set_parse_math(False)
    return figure


def _draw(axes: Axes, numbers: ReportNumbers) -> None:
    cloud, factor = numbers.archive, numbers.measure.factor
    if cloud:
        x, y = [point.latency_ms for point in cloud], [factor * point.score for point in cloud]
        axes.scatter(x, y, s=10, color=CLOUD, linewidths=0, label=f"all evaluated, on validation ({len(cloud)})")
    front = [numbers.members[i] for i in numbers.front]
    x, y = [member.latency_ms for member in front], [factor * member.score for member in front]
    axes.step(x, y, where="post", color=FRONT, linewidth=1.4, label=f"Pareto front ({len(front)})")
    x = [member.latency_ms for member in numbers.members]
    y = [factor * member.score for member in numbers.members]
    axes.scatter(x, y, s=60, c=member_colours(numbers), edgecolors="white", zorder=3)
    _dial_legend(axes, numbers)


def _dial_legend(axes: Axes, numbers: ReportNumbers) -> None:
    """Name the colours of the members: the corners of a simplex, or the two ends of a scalar dial."""
    corners = list(zip(numbers.corners, corner_colours(numbers), strict=True))
    for corner, colour in corners[:_CORNERS]:
        axes.scatter([], [], s=60, color=colour, label=f"member, S on {_label(corner)}")
    if numbers.corners:
        return
    colours = dict(zip([member.dial for member in numbers.members], member_colours(numbers), strict=True))
    values = sorted(value for value in colours if isinstance(value, float))
    for value in dict.fromkeys([values[0], values[-1]] if values else []):
        label = f"member, {dial_name(numbers.dial_kind)} = {dial_text(value)}"
        axes.scatter([], [], s=60, color=colours[value], label=label)
    if not values:
        axes.scatter([], [], s=60, color=next(iter(colours.values())), label="members")


def _label(text: str) -> str:
    """Return `text` as a picture has room for it: on one line, cut, and without what no font has."""
    return cut(readable(text))
