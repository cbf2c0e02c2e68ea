"""One colour for each kind of operation and each dial position, in every figure of a report."""

from __future__ import annotations

from collections.abc import Sequence

from archdial.report.numbers import ReportNumbers

# Okabe and Ito's colours, which the colour-blind can tell apart, without their yellow (too pale on white).
_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#6A3D9A",
    "#8C564B",
    "#1B4F5C",
    "#A6761D",
)
_NOTHING = ("none", "zero")

NEUTRAL, CLOUD, INK, FRONT = "#8A8F98", "#C9CED6", "#23272E", "#23272E"
_DARK, _LIGHT = "#1E2228", "#FFFFFF"
"""Text on a colour: other ones than ink and paper, which a dark page swaps."""
ALONG = ("#2B2D8F", "#8A2B9B", "#D9546A", "#F0A03C")
"""The stops of the scale from the first dial position to the last."""


def palette(kinds: Sequence[str]) -> dict[str, str]:
    """Return kind → "#rrggbb", by the order of `kinds`; options that do nothing are grey."""
    real = [kind for kind in kinds if kind not in _NOTHING]
    colours = {kind: _COLOURS[i % len(_COLOURS)] for i, kind in enumerate(real)}
    return {kind: colours.get(kind, CLOUD) for kind in kinds}


def blend(colours: Sequence[str], shares: Sequence[float]) -> str:
    """Return the mean of the `colours` ("#rrggbb"), weighted by `shares` ≥ 0; grey where all are 0."""
    total = sum(shares)
    if total <= 0:
        return NEUTRAL
    parts = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]
    mixed = [sum(p[i] * s for p, s in zip(parts, shares, strict=True)) / total for i in range(3)]
    return "#" + "".join(f"{round(value):02X}" for value in mixed)


def ink_on(colour: str) -> str:
    """Return the colour, dark or white, that text on `colour` is read best in."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else _LIGHT


def shade(position: float) -> str:
    """Return the colour at `position` in [0, 1] along the dial."""
    scaled = min(max(position, 0.0), 1.0) * (len(ALONG) - 1)
    low = min(int(scaled), len(ALONG) - 2)
    return blend(ALONG[low : low + 2], [1 - (scaled - low), scaled - low])


def corner_colours(numbers: ReportNumbers) -> list[str]:
    """Return the colour of each corner of a simplex dial: that of the kind it is called after."""
    colours = palette(numbers.kinds)
    spare = palette(numbers.corners)
    return [colours.get(corner, spare[corner]) for corner in numbers.corners]


def member_colours(numbers: ReportNumbers) -> list[str]:
    """Return a colour for each member: its rank along a scalar dial, or its mix of the corners of a simplex.

    The rank is taken, not the value, since grids of λ are often spaced by factors.
    """
    corners = corner_colours(numbers)
    values = sorted({m.dial for m in numbers.members if isinstance(m.dial, float)})
    ranks, last = {value: rank for rank, value in enumerate(values)}, max(len(values) - 1, 1)
    colours = []
    for member in numbers.members:
        if isinstance(member.dial, tuple):
            colours.append(blend(corners, member.dial))
        else:
            colours.append(NEUTRAL if member.dial is None else shade(ranks[member.dial] / last))
    return colours
