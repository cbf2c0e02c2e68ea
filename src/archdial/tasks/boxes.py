"""Boxes as (centre x, centre y, width, height), fractions of the image, and their overlap."""

from __future__ import annotations

import torch
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """Return boxes (…, 4) of centre and size as left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((centre - half, centre + half), -1)


def overlaps(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and generalised IoU of boxes (…, 4) with others (…, 4), which are broadcast: (…) in [0, 1], [−1, 1].

    Generalised: less the share of the smallest box around both that neither covers (Rezatofighi et al. 2019).
    """
    one, other = corners(boxes), corners(others)
    shared = _area(torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:]))
    around = _area(torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:]))
    union = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - shared
    # Annotations hold boxes without an extent, and networks in training give them.
    tiny = torch.finfo(union.dtype).tiny
    ratio = shared / union.clamp_min(tiny)
    return ratio, ratio - (around - union) / around.clamp_min(tiny)


def _area(first: Tensor, last: Tensor) -> Tensor:
    """Return the areas (…) between corners (…, 2); 0 where the last lies before the first."""
    return (last - first).clamp_min(0).prod(-1)
