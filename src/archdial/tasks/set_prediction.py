"""Set prediction: each object is assigned to one place in the outputs, all others should find nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from archdial.tasks.boxes import overlaps
from archdial.tasks.objects import Objects

_NOTHING = 0.1
"""Weight of places that are to find nothing, of which there are far more (Carion et al. 2020)."""
_DISTANCE, _OVERLAP = 5.0, 2.0
"""Weights of the distance of boxes and of their generalised IoU beside that of the class, of 1."""
_ALPHA, _GAMMA = 0.25, 2.0
"""Of the focal loss (Lin et al. 2017)."""


@dataclass(frozen=True)
class Matched:
    """The places in a batch that objects were given to, with these objects: all (k, …)."""

    images: Tensor
    places: Tensor
    boxes: Tensor
    classes: Tensor


def matched(logits: Tensor, boxes: Tensor, wanted: Sequence[Objects], *, nothing: bool) -> Matched:
    """Return which place each object is given to: at the least cost over all objects of an image.

    Eq. 1 of Carion et al. (2020); the cost of a class is its probability, or its focal loss where classes stand by
    themselves (Zhu et al. 2021).

    Args:
        logits: (n, places, classes), with one more for nothing at the end where that is a class of its own.
        boxes: (n, places, 4).
        wanted: of each image.
    """
    from scipy.optimize import linear_sum_assignment  # the one function that needs it, and slow to import

    given: list[tuple[Tensor, Tensor]] = []
    for own, place, objects in zip(logits.detach(), boxes.detach(), wanted, strict=True):
        cost = _cost(own.float(), place.float(), objects, nothing=nothing)
        # A network that was cut to pieces may give no numbers; its loss then says so.
        rows, columns = linear_sum_assignment(cost.nan_to_num(1e6, 1e6, -1e6).cpu().numpy())
        given.append((torch.as_tensor(rows), torch.as_tensor(columns)))
    images = torch.cat([torch.full_like(rows, image) for image, (rows, _) in enumerate(given)])
    chosen = [(one.boxes.cpu()[c], one.classes.cpu()[c]) for one, (_, c) in zip(wanted, given, strict=True)]
    parts = (images, torch.cat([rows for rows, _ in given]), *map(torch.cat, zip(*chosen, strict=True)))
    return Matched(*(part.to(logits.device) for part in parts))


def set_loss(
    logits: Tensor,
    boxes: Tensor,
    wanted: Sequence[Objects],
    *,
    nothing: bool,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """Return how wrong classes and boxes are, (), an object: eq. 2 of Carion et al. (2020).

    Args:
        nothing: the last logit is that of no object: cross-entropy over all; else a focal loss for each class.
        weights: of each class (classes,).
        smoothing: of the labels, where there is cross-entropy.
    """
    found = matched(logits, boxes, wanted, nothing=nothing)
    count = max(1, len(found.places))
    kinds = _entropy(logits, found, weights, smoothing) if nothing else _focal(logits, found, weights)
    placed = boxes[found.images, found.places]
    near = functional.l1_loss(placed, found.boxes.to(placed), reduction="sum") / count
    apart = (1 - overlaps(placed, found.boxes.to(placed))[1]).sum() / count
    return kinds + _DISTANCE * near + _OVERLAP * apart


def _cost(logits: Tensor, boxes: Tensor, objects: Objects, *, nothing: bool) -> Tensor:
    """Return the cost (places, objects) of giving each object of an image to each place."""
    wanted = objects.boxes.to(boxes)
    kinds = -logits.softmax(1) if nothing else _focal_cost(logits)
    apart = overlaps(boxes[:, None], wanted[None])[1]
    return kinds[:, objects.classes.to(boxes.device)] + _DISTANCE * torch.cdist(boxes, wanted, p=1) - _OVERLAP * apart


def _focal_cost(logits: Tensor) -> Tensor:
    """Return by how much each logit's focal loss is less where the class is there than where it is not."""
    found = logits.sigmoid()
    there = _ALPHA * (1 - found) ** _GAMMA * -functional.logsigmoid(logits)
    return there - (1 - _ALPHA) * found**_GAMMA * -functional.logsigmoid(-logits)


def _entropy(logits: Tensor, found: Matched, weights: Tensor | None, smoothing: float) -> Tensor:
    """Return the mean cross-entropy (), in which nothing, the last class, weighs little."""
    last = logits.shape[2] - 1
    labels = torch.full(logits.shape[:2], last, device=logits.device)
    labels[found.images, found.places] = found.classes
    each = torch.ones(last) if weights is None else weights
    every = torch.cat((each, torch.tensor([_NOTHING]))).to(logits)
    return functional.cross_entropy(logits.transpose(1, 2), labels, every, label_smoothing=smoothing)


def _focal(logits: Tensor, found: Matched, weights: Tensor | None) -> Tensor:
    """Return the focal loss () an object, summed over all places, where each class is there or not."""
    wanted = torch.zeros_like(logits)
    wanted[found.images, found.places, found.classes] = 1
    off = (logits.sigmoid() - wanted).abs() ** _GAMMA
    share = _ALPHA * wanted + (1 - _ALPHA) * (1 - wanted)
    each = share * off * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (each if weights is None else each * weights.to(each)).sum() / max(1, len(found.places))
