"""The objects in images: targets, and what a network predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError, cut
from archdial.data.split import Batch
from archdial.tasks.parts import asked
from archdial.tasks.task import Outputs, tensors_in

_FAR = 2.0
"""Shares of an image hardly go beyond it; pixels do."""


@dataclass(frozen=True)
class Objects:
    """Those of one image.

    Attributes:
        boxes: (k, 4), centre and size as shares of the image.
        classes: (k,), from 0.
    """

    boxes: Tensor
    classes: Tensor


def asked_objects(batch: Batch, images: int, classes: int | None = None) -> list[Objects]:
    """Return the objects that are asked for in each of `images` images.

    Args:
        classes: how many there are, if that is known.

    Raises:
        UsageError: the target is no dict an image of boxes (k, 4) and class_labels (k,).
    """
    found = asked(batch)
    if not isinstance(found, Sequence) or not all(isinstance(one, Mapping) for one in found) or len(found) != images:
        raise UsageError(
            f"a target of {_told(found)} for {images} images: expected a list with one dict per image, boxes (objects, "
            "4) and class_labels (objects,)"
        )
    return [_objects(one, classes) for one in found]


def logits_and_boxes(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Return logits (n, places, classes) and boxes (n, places, 4).

    Raises:
        UsageError: the network gives something else.
    """
    if isinstance(outputs, Mapping) and "logits" in outputs and "pred_boxes" in outputs:
        outputs = (outputs["logits"], outputs["pred_boxes"])
    found = tensors_in(outputs)
    if len(found) != 2 or found[0].dim() != 3 or found[1].shape != (*found[0].shape[:2], 4):
        raise UsageError(
            f"the network gives {', '.join(str(tuple(one.shape)) for one in found)}: expected logits (n, places, "
            'classes) and boxes (n, places, 4); request them with gates(…, outputs=("logits", "pred_boxes")), or pass '
            "Detection(loss=…, detections=…)"
        )
    return found[0], found[1]


def _objects(target: Mapping[str, Any], classes: int | None) -> Objects:
    boxes, labels = (target.get(name) for name in ("boxes", "class_labels"))
    if not isinstance(boxes, Tensor) or not isinstance(labels, Tensor):
        raise UsageError(f"the target of an image contains {cut(', '.join(target))}: expected boxes and class_labels")
    # No object at all comes in any shape, as of torch.tensor([]).
    boxes, labels = (boxes.reshape(0, 4), labels.reshape(0).long()) if not boxes.numel() else (boxes, labels)
    if boxes.shape != (len(labels), 4) or labels.dim() != 1 or labels.is_floating_point():
        raise UsageError(
            f"boxes of shape {tuple(boxes.shape)} with class_labels {tuple(labels.shape)}, {labels.dtype}: expected "
            "(objects, 4) and one class index each"
        )
    _check(boxes, labels, classes)
    return Objects(boxes.float(), labels.long())


def _check(boxes: Tensor, labels: Tensor, classes: int | None) -> None:
    if len(boxes) and not -_FAR <= float(boxes.min()) <= float(boxes.max()) <= _FAR:
        raise UsageError(
            f"a box of {', '.join(f'{one:g}' for one in boxes[int(boxes.abs().amax(1).argmax())].tolist())}: expected "
            "centre x, centre y, width and height as fractions of the image, from 0 to 1"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < (classes or torch.inf):
        raise UsageError(
            f"class_labels from {int(labels.min())} to {int(labels.max())}: expected values from 0"
            + (f" to {classes - 1}, as the network has {classes} classes" if classes else "")
        )


def _told(found: object) -> str:
    return f"{len(found)} {type(found).__name__}" if isinstance(found, list | tuple) else type(found).__name__
