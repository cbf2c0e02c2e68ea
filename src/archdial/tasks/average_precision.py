"""Mean average precision of detected boxes as in COCO, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.libraries import imported
from archdial.data.split import Batch
from archdial.tasks.boxes import corners
from archdial.tasks.objects import Objects
from archdial.tasks.task import Outputs, Score

MOST = 100
"""Detections of an image that count, those of the highest scores, as everywhere."""
Detections = Sequence[Mapping[str, Tensor]]
"""For each image boxes (k, 4), scores (k,) and labels (k,)."""


class AveragePrecision(Score):
    """The area under the curve of precision over recall, the mean over the classes that the data hold.

    Classes that no image holds are left out. Boxes may have any unit: IoU has none.

    Args:
        read: (outputs, batch) → what was detected, and the objects that are asked for.
        thresholds: of IoU, from which on a box is found; the mean over them is taken.
    """

    def __init__(
        self, read: Callable[[Outputs, Batch], tuple[Detections, Sequence[Objects]]], thresholds: Sequence[float]
    ) -> None:
        self._read, self._thresholds = read, thresholds
        self._found: list[dict[str, Any]] = []
        self._asked: list[dict[str, Any]] = []
        self._images = 0

    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Keep the boxes of each image."""
        for found, asked in zip(*self._read(outputs, batch), strict=True):
            best = found["scores"].argsort(descending=True)[:MOST]
            boxes, labels, scores = (found[name][best] for name in ("boxes", "labels", "scores"))
            self._keep(self._found, boxes, labels, scores)
            self._keep(self._asked, asked.boxes, asked.classes)
            self._images += 1

    def value(self) -> float:
        """Return the mean.

        Raises:
            UsageError: no image held an object.
        """
        if not self._asked:
            raise UsageError("mAP needs objects, but none of the images has any: pass images with objects")
        classes = {one["category_id"] for one in (*self._asked, *self._found)}
        # It tells what it does on standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            precision = self._precision(sorted(classes))
        return float(precision[precision > -1].mean())

    def _keep(self, rows: list[dict[str, Any]], boxes: Tensor, labels: Tensor, scores: Tensor | None = None) -> None:
        """Keep objects of one image as COCO's files have them: left, top, width, height."""
        boxes = torch.cat((corners(boxes)[:, :2], boxes[:, 2:].clamp_min(0)), 1)
        for number, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
            kind = {"image_id": self._images, "category_id": int(label)}
            row = {"id": len(rows) + 1, **kind, "iscrowd": 0, "bbox": box, "area": box[2] * box[3]}
            rows.append(row if scores is None else row | {"score": float(scores[number])})

    def _precision(self, classes: Sequence[int]) -> Any:
        """Return the precision by threshold, recall and class; −1 for classes that the data do not hold."""
        library = imported("pycocotools.cocoeval", "the score mAP", "scores")
        counted = library.COCOeval(self._indexed(self._asked, classes), self._indexed(self._found, classes), "bbox")
        counted.params.iouThrs = numpy.array(self._thresholds)
        counted.params.areaRng, counted.params.areaRngLbl = [[0, 1e10]], ["all"]
        counted.params.maxDets = [MOST]
        counted.evaluate()
        counted.accumulate()
        return counted.eval["precision"]

    def _indexed(self, rows: list[dict[str, Any]], classes: Sequence[int]) -> Any:
        held = imported("pycocotools.coco", "the score mAP", "scores").COCO()
        held.dataset = {
            "images": [{"id": number} for number in range(self._images)],
            "categories": [{"id": number} for number in classes],
            "annotations": rows,
        }
        held.createIndex()
        return held
