"""The padding with which one convolution computes what two did, including at the borders."""

from __future__ import annotations

from archdial.networks.graph.merging.affine import ZEROS, Affine, Sides


def padding_of_both(first: Affine, second: Affine) -> tuple[tuple[Sides, ...], str] | None:
    """Return padding and its mode for second(first(x)), whatever the size of x; None where no padding does it.

    The second pads what the first gives, the merged one pads what the first takes. These are the same only where the
    first, given what is padded, gives what the second pads.
    """
    padding = tuple(
        (before + step * more_before, after + step * more_after)
        for (before, after), step, (more_before, more_after) in zip(
            first.padding, first.stride, second.padding, strict=True
        )
    )
    if not _pads(second):
        return padding, first.mode
    if _pads(first) and first.mode != second.mode:
        return None
    agree = _gives_zeros(first, second) if second.mode == ZEROS else _commutes(first, second)
    return (padding, second.mode) if agree else None


def _pads(one: Affine) -> bool:
    return any(map(any, one.padding))


def _gives_zeros(first: Affine, second: Affine) -> bool:
    """Tell whether `first` gives zero wherever `second` pads: there it must read nothing but zeros, and add none."""
    if first.bias is not None:
        return False
    dimensions = zip(first.padding, second.padding, first.reach, first.stride, strict=True)
    return all(
        # One step before its first output it must not reach the input's first pixel. Behind the last pixel a stride
        # may leave a rest of any size: none at all is the worst.
        (not more_before or reach < before + step) and (not more_after or reach <= after)
        for (before, after), (more_before, more_after), reach, step in dimensions
    )


def _commutes(first: Affine, second: Affine) -> bool:
    """Tell whether `first` does the same to what is repeated as to what is there: where it reads a single pixel."""
    dimensions = zip(first.padding, second.padding, first.reach, first.stride, strict=True)
    return all(not any(more) or (own, reach, step) == ((0, 0), 0, 1) for own, more, reach, step in dimensions)
