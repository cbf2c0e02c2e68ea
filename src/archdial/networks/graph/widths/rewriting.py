"""Arguments of nodes when only some units are kept: sizes, starts, numbers of groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.places import Places
from archdial.networks.graph.widths.shapes import number_with
from archdial.networks.node_names import function_name

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class _Cut:
    """A node, and how many units of each group are kept."""

    widths: Places
    node: fx.Node
    counts: Sequence[int]

    @property
    def given(self) -> Axes:
        """The axes of what the node gives."""
        return self.widths.axes.get(self.node) or (None,) * len(self.widths.shapes[self.node])

    @property
    def read(self) -> Axes:
        """The axes of its first argument."""
        source = self.node.args[0]
        assert isinstance(source, fx.Node)
        return self.widths.axes.get(source) or (None,) * len(self.widths.shapes[source])

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        return self.node.args[place] if len(self.node.args) > place else self.node.kwargs.get(name, default)

    def value(self, argument: Any) -> Any:
        """Return the number that an argument is without a cut."""
        return self.widths.shapes[argument] if isinstance(argument, fx.Node) else argument

    def number(self, argument: Any) -> Any:
        """Return the number that an argument becomes when only the kept units remain."""
        return number_with(self.widths, argument, self.counts) if isinstance(argument, fx.Node) else argument

    def replaced(self, changes: Mapping[tuple[int, str], Any]) -> Arguments:
        """Return the node's arguments with others at some places, or under some names."""
        args, kwargs = list(self.node.args), dict(self.node.kwargs)
        for (place, name), value in changes.items():
            if place < len(args):
                args[place] = value
            else:
                kwargs[name] = value
        return tuple(args), kwargs


def rewritten(widths: Places, node: fx.Node, counts: Sequence[int]) -> Arguments:
    """Return args and kwargs of `node` with `counts` units kept per group."""
    rule = _RULES.get(function_name(node)) if node.op in {"call_function", "call_method"} else None
    if rule is None or not widths.touched(node):
        return node.args, dict(node.kwargs)
    return rule(_Cut(widths, node, counts))


def _reshaped(cut: _Cut) -> Arguments:
    listed, sizes = _sizes(cut)
    new = list(sizes)
    for dimension, axis in enumerate(cut.given):
        if axis is not None and new[dimension] != -1:
            new[dimension] = _size(cut, new, dimension, axis)
    return _with_sizes(cut, listed, new)


def _size(cut: _Cut, sizes: Sequence[Any], dimension: int, axis: Axis) -> Any:
    """Return what to write for one size: a number that depends on the batch must stay open."""
    own, wanted = sizes[dimension], axis.size(cut.counts)
    if not isinstance(own, fx.Node):
        return wanted
    if cut.number(own) == wanted or any(isinstance(one, int) and one == -1 for one in sizes):
        return own
    return -1


def _expanded(cut: _Cut) -> Arguments:
    listed, sizes = _sizes(cut)
    pairs = zip(sizes, cut.given, strict=True)
    new = [
        size if axis is None or size == -1 or isinstance(size, fx.Node) else axis.size(cut.counts)
        for size, axis in pairs
    ]
    return _with_sizes(cut, listed, new)


def _sizes(cut: _Cut) -> tuple[str, list[Any]]:
    """Return the sizes that a node reshapes to, and how they are told: in a list, one by one, or by name."""
    if len(cut.node.args) > 1:
        first = cut.node.args[1]
        return ("list", list(first)) if isinstance(first, list | tuple) else ("apart", list(cut.node.args[1:]))
    name = next(name for name in ("size", "shape") if name in cut.node.kwargs)
    return name, list(cut.node.kwargs[name])  # type: ignore[arg-type]


def _with_sizes(cut: _Cut, listed: str, sizes: list[Any]) -> Arguments:
    args, kwargs = cut.node.args, dict(cut.node.kwargs)
    if listed == "list":
        return (args[0], sizes, *args[2:]), kwargs
    if listed == "apart":
        return (args[0], *sizes), kwargs
    return args, {**kwargs, listed: sizes}


def _unflattened(cut: _Cut) -> Arguments:
    dimension, sizes = cut.argument(1, "dim"), list(cut.argument(2, "sizes"))
    start = dimension % len(cut.read)
    for offset in range(len(sizes)):
        axis = cut.given[start + offset]
        if axis is not None and sizes[offset] != -1:
            sizes[offset] = axis.size(cut.counts)
    return cut.replaced({(2, "sizes"): sizes})


def _split(cut: _Cut) -> Arguments:
    dimension = cut.argument(2, "dim", 0)
    shapes = cut.widths.shapes[cut.node]
    axes = cut.widths.axes.get(cut.node) or (None,) * len(shapes)
    sizes = []
    for shape, own in zip(shapes, axes, strict=True):
        axis = own[dimension] if own is not None else None
        sizes.append(shape[dimension] if axis is None else axis.size(cut.counts))
    name = "split_sizes" if "split_sizes" in cut.node.kwargs else "split_size"
    even = not isinstance(cut.argument(1, name), list | tuple) and len(set(sizes)) == 1
    return cut.replaced({(1, name): sizes[0] if even else sizes})


def _between(cut: _Cut, axis: Axis, start: Any, end: Any) -> tuple[int, int]:
    """Return where a slice of the places of `axis` starts and ends among those that stay."""
    first, last, _ = slice(cut.value(start), cut.value(end)).indices(len(axis.groups))
    return axis.before(first, cut.counts), axis.before(max(first, last), cut.counts)


def _sliced(place: int) -> Callable[[_Cut], Arguments]:
    """Return the rule of a slice whose dimension stands at `place`."""

    def rule(cut: _Cut) -> Arguments:
        axis = cut.read[cut.argument(place, "dim", 0)]
        start, end = cut.argument(place + 1, "start"), cut.argument(place + 2, "end")
        whole = start in (None, 0) and (end is None or (isinstance(end, int) and end >= 2**62))
        if axis is None or whole or cut.argument(place + 3, "step", 1) != 1:
            return cut.node.args, dict(cut.node.kwargs)
        first, last = _between(cut, axis, start, end)
        return cut.replaced({(place + 1, "start"): first, (place + 2, "end"): last})

    return rule


def _selected(place: int) -> Callable[[_Cut], Arguments]:
    """Return the rule of the choice of one place along the dimension that stands at `place`."""

    def rule(cut: _Cut) -> Arguments:
        axis, index = cut.read[cut.argument(place, "dim")], cut.value(cut.argument(place + 1, "index"))
        if axis is None:
            return cut.node.args, dict(cut.node.kwargs)
        return cut.replaced({(place + 1, "index"): axis.before(index % len(axis.groups), cut.counts)})

    return rule


def _narrowed(cut: _Cut) -> Arguments:
    axis = cut.read[cut.argument(1, "dim")]
    if axis is None:
        return cut.node.args, dict(cut.node.kwargs)
    start, length = cut.value(cut.argument(2, "start")), cut.value(cut.argument(3, "length"))
    first, last = _between(cut, axis, start, start + length)
    return cut.replaced({(2, "start"): first, (3, "length"): last - first})


def _item(cut: _Cut) -> Arguments:
    index = cut.node.args[1]
    if not isinstance(cut.node.args[0], fx.Node) or not _is_shape(cut.widths.shapes[cut.node.args[0]]):
        return cut.node.args, dict(cut.node.kwargs)
    entries = list(index) if isinstance(index, tuple) else [index]
    new, dimension = [], 0
    for entry in entries:
        if entry is Ellipsis:
            used = sum(one is not None and one is not Ellipsis for one in entries)
            dimension = len(cut.read) - (used - _used(entries, entry))
        elif entry is not None:
            entry = _entry(cut, entry, cut.read[dimension])
            dimension += 1
        new.append(entry)
    return (cut.node.args[0], tuple(new) if isinstance(index, tuple) else new[0]), dict(cut.node.kwargs)


def _used(entries: Sequence[Any], until: Any) -> int:
    before = entries[: next(place for place, one in enumerate(entries) if one is until)]
    return sum(one is not None for one in before)


def _entry(cut: _Cut, entry: Any, axis: Axis | None) -> Any:
    if axis is None:
        return entry
    if isinstance(entry, slice) and entry.step in (None, 1) and (entry.start, entry.stop) != (None, None):
        return slice(*_between(cut, axis, entry.start, entry.stop))
    if isinstance(entry, int):
        return axis.before(entry % len(axis.groups), cut.counts)
    return entry


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(isinstance(one, int) for one in shape)


def _grouped(place: int, name: str) -> Callable[[_Cut], Arguments]:
    """Return the rule of a number of groups of channels, which stands at `place`."""

    def rule(cut: _Cut) -> Arguments:
        axis, count = cut.read[1], cut.argument(place, name, 1)
        if axis is None or count == 1:
            return cut.node.args, dict(cut.node.kwargs)
        return cut.replaced({(place, name): axis.size(cut.counts) * count // len(axis.groups)})

    return rule


_RULES: dict[str, Callable[[_Cut], Arguments]] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "_reshape_alias"), _reshaped),
    **dict.fromkeys(("expand", "broadcast_to"), _expanded),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split"), _split),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _grouped(6, "groups")),
    "unflatten": _unflattened,
    "slice": _sliced(1),
    "slice_scatter": _sliced(2),
    "select": _selected(1),
    "select_scatter": _selected(2),
    "narrow": _narrowed,
    "getitem": _item,
    "group_norm": _grouped(1, "num_groups"),
}
