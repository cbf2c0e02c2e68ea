"""Detection: boxes overlap and match as the papers say, the score is COCO's, what does not fit is told."""

from __future__ import annotations

import itertools
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.loss.loss_deformable_detr import DeformableDetrForObjectDetectionLoss
from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss

import archdial as ad
from archdial.common.errors import NearChance, UsageError
from archdial.data.takes import size_of, taken
from archdial.tasks.boxes import overlaps
from archdial.tasks.named import make_task
from archdial.tasks.objects import Objects
from archdial.tasks.set_prediction import matched
from archdial.tasks.stored import StoredTask
from tests.networks.examples import counted_table

Target = dict[str, Tensor]
IMAGES, PLACES, CLASSES = 3, 6, 2


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(count: int, seed: int = 0) -> Tensor:
    """Boxes (count, 4) within the image."""
    centre, size = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)).split(2, 1)
    return torch.cat((0.2 + 0.6 * centre, 0.1 + 0.3 * size), 1)


def target(count: int, seed: int = 0) -> Target:
    labels = torch.randint(0, CLASSES, (count,), generator=torch.Generator().manual_seed(seed))
    return {"boxes": boxes(count, seed), "class_labels": labels}


def asked() -> list[Target]:
    """Of three images, the second of which holds nothing."""
    return [target(4, 1), target(0), target(2, 2)]


def given(logits: int, seed: int = 5) -> tuple[Tensor, Tensor]:
    """What a network might give for them."""
    return drawn(IMAGES, PLACES, logits, seed=seed), boxes(IMAGES * PLACES, seed).view(IMAGES, PLACES, 4)


def found_rightly(task: ad.Detection, wanted: list[Target], logits: int) -> tuple[Tensor, Tensor]:
    """What who descends the loss of `task` comes to."""
    free, centre = drawn(IMAGES, PLACES, logits).requires_grad_(), drawn(IMAGES, PLACES, 4, seed=1).requires_grad_()
    optimizer = torch.optim.Adam([free, centre], lr=0.1)
    fall = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)
    for _ in range(150):
        optimizer.zero_grad()
        task.loss((free, centre.sigmoid()), (free, wanted)).backward()
        optimizer.step()
        fall.step()
    return free.detach(), centre.detach().sigmoid()


def scored(task: ad.Detection, outputs: Any, wanted: list[Target]) -> float:
    score = task.score()
    score.add(outputs, (0, wanted))
    return score.value()


def test_boxes_overlap_by_their_areas() -> None:
    one = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    other = torch.tensor([[0.5, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5], [0.2, 0.2, 0, 0]])
    ratio, general = overlaps(one, other)
    assert ratio.tolist() == pytest.approx([1 / 3, 0, 1, 0])
    assert general.tolist() == pytest.approx([1 / 3, 0 - 0.5 / 1, 1, 0])
    assert overlaps(other[3:], other[3:])[1].isfinite().all(), "annotations hold boxes without an extent"


@pytest.mark.parametrize("nothing", [True, False])
def test_objects_are_given_to_places_at_the_least_cost(nothing: bool) -> None:
    logits, placed = given(CLASSES + nothing)
    wanted = [Objects(one["boxes"], one["class_labels"]) for one in asked()]
    found = matched(logits, placed, wanted, nothing=nothing)
    assert found.images.tolist() == [0, 0, 0, 0, 2, 2]

    def cost(place: int, n: int) -> float:
        own, p = logits[0, place], logits[0, place].sigmoid()[wanted[0].classes[n]]
        focal = -0.25 * (1 - p) ** 2 * p.log() + 0.75 * p**2 * (1 - p).log()
        kind = -own.softmax(0)[wanted[0].classes[n]] if nothing else focal
        apart = (placed[0, place] - wanted[0].boxes[n]).abs().sum()
        return float(kind + 5 * apart - 2 * overlaps(placed[0, place], wanted[0].boxes[n])[1])

    costs = [[cost(place, n) for n in range(4)] for place in range(PLACES)]
    best = min(
        itertools.permutations(range(PLACES), 4), key=lambda places: sum(costs[p][n] for n, p in enumerate(places))
    )
    chosen = dict(zip(map(tuple, found.boxes[:4].tolist()), found.places[:4].tolist(), strict=True))
    assert [chosen[tuple(box)] for box in wanted[0].boxes.tolist()] == list(best)


SETTINGS = SimpleNamespace(
    class_cost=1,
    bbox_cost=5,
    giou_cost=2,
    num_labels=CLASSES,
    eos_coefficient=0.1,
    focal_alpha=0.25,
    bbox_loss_coefficient=5,
    giou_loss_coefficient=2,
    auxiliary_loss=False,
)


@pytest.mark.parametrize(
    ("nothing", "theirs"), [(True, ForObjectDetectionLoss), (False, DeformableDetrForObjectDetectionLoss)]
)
def test_the_loss_is_that_of_transformers(nothing: bool, theirs: Any) -> None:
    logits, placed = given(CLASSES + nothing)
    loss = ad.Detection(nothing=nothing).loss((logits, placed), {"x": 0, "labels": asked()})
    expected, _, _ = theirs(logits, asked(), torch.device("cpu"), placed, SETTINGS)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("nothing", [True, False])
def test_who_descends_the_loss_finds_everything_and_nothing_else(nothing: bool) -> None:
    task = ad.Detection(nothing=nothing)
    outputs = found_rightly(task, asked(), CLASSES + nothing)
    assert scored(task, outputs, asked()) > 0.99
    (found, *_), _ = task._read({"logits": outputs[0], "pred_boxes": outputs[1]}, (0, asked()))
    assert int((found["scores"] > 0.5).sum()) == 4
    assert scored(task, given(CLASSES + nothing), asked()) < 0.2


def test_images_without_any_object_are_trained_on() -> None:
    logits = drawn(2, PLACES, CLASSES + 1).requires_grad_()
    loss = ad.Detection().loss((logits, drawn(2, PLACES, 4)), (0, [target(0), {"boxes": torch.tensor([]), **EMPTY}]))
    loss.backward()
    assert logits.grad is not None and (logits.grad[..., -1] < 0).all(), "all places are to find nothing"


EMPTY = {"class_labels": torch.tensor([])}


def test_rare_classes_count_more_where_they_weigh_more() -> None:
    for nothing in (True, False):
        logits, placed = torch.zeros(1, PLACES, CLASSES + nothing), boxes(PLACES)[None]
        logits[..., 0] = 2.0
        wanted = [{"boxes": boxes(2), "class_labels": torch.tensor([0, 1])}]
        plain, weighed = (
            ad.Detection(nothing=nothing, class_weights=weights).loss((logits, placed), (0, wanted))
            for weights in (None, (1.0, 9.0))
        )
        assert float(weighed) > 1.2 * float(plain)


def detected(*rows: tuple[float, float, int]) -> dict[str, Tensor]:
    """Boxes of one size at places along a line: (place, score, class)."""
    places = [[0.1 + 0.2 * place, 0.5, 0.1, 0.1] for place, _, _ in rows]
    return {
        "boxes": torch.tensor(places).reshape(-1, 4),
        "scores": torch.tensor([score for _, score, _ in rows]),
        "labels": torch.tensor([kind for _, _, kind in rows], dtype=torch.long),
    }


def placed(*rows: tuple[float, int]) -> Target:
    found = detected(*((place, 1.0, kind) for place, kind in rows))
    return {"boxes": found["boxes"], "class_labels": found["labels"]}


CASES = {
    "all of them": ([detected((0, 0.9, 0), (1, 0.8, 1))], [placed((0, 0), (1, 1))], 1.0),
    "another class": ([detected((0, 0.9, 1))], [placed((0, 0))], 0.0),
    "nothing at all": ([detected()], [placed((0, 0))], 0.0),
    # Precision 1 up to a recall of ½, the first 51 of 101 points, and 2/3 from there.
    "one too many": (
        [detected((0, 0.9, 0), (3, 0.8, 0), (1, 0.7, 0))],
        [placed((0, 0), (1, 0))],
        (51 + 50 * 2 / 3) / 101,
    ),
    "one twice": ([detected((0, 0.9, 0), (0, 0.8, 0))], [placed((0, 0), (1, 0))], 51 / 101),
    "in an empty image": (
        [detected((0, 0.9, 0)), detected((0, 0.95, 0))],
        [placed((0, 0)), placed()],
        1 / 2,
    ),
    "a class that the data do not hold": ([detected((0, 0.9, 0), (1, 0.8, 1))], [placed((0, 0))], 1.0),
    "a rare class as much as a frequent one": (
        [detected((0, 0.9, 0), (1, 0.9, 0), (2, 0.9, 0))],
        [placed((0, 0), (1, 0), (2, 0), (3, 1))],
        1 / 2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_the_mean_average_precision(name: str) -> None:
    found, wanted, expected = CASES[name]
    assert scored(ad.Detection(detections=lambda outputs: outputs), found, wanted) == pytest.approx(expected, abs=1e-6)


def test_boxes_that_are_a_little_off_are_found_at_some_thresholds() -> None:
    # IoU (0.1 − 0.02)/(0.1 + 0.02) = 2/3: at 0.5, 0.55, 0.6 and 0.65, four of ten.
    found, wanted = [detected((0.1, 0.9, 0))], [placed((0, 0))]
    assert scored(ad.Detection(detections=lambda o: o), found, wanted) == pytest.approx(0.4)
    assert scored(ad.Detection("mAP50", detections=lambda o: o), found, wanted) == pytest.approx(1.0)


def test_only_the_best_hundred_of_an_image_count() -> None:
    many = [(3.0, 0.9, 0)] * 100
    assert scored(ad.Detection(detections=lambda o: o), [detected(*many[:99], (0, 0.1, 0))], [placed((0, 0))]) > 0
    assert scored(ad.Detection(detections=lambda o: o), [detected(*many, (0, 0.1, 0))], [placed((0, 0))]) == 0


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (1, 1, 1)])
def test_the_score_is_the_same_however_images_are_batched(sizes: tuple[int, ...]) -> None:
    task, (logits, placed) = ad.Detection("mAP50"), given(CLASSES + 1)
    # Boxes near those that are asked for, or the score would be 0 however they come.
    placed[0, :4], placed[2, :2] = asked()[0]["boxes"] + 0.01, asked()[2]["boxes"]
    score, first = task.score(), 0
    for size in sizes:
        part = slice(first, first + size)
        score.add((logits[part], placed[part]), (0, asked()[part]))
        first += size
    whole = scored(task, (logits, placed), asked())
    assert 0 < whole < 1 and score.value() == whole


def test_the_score_is_a_share_of_which_guessing_has_none() -> None:
    task = ad.Detection("mAP50")
    assert (task.measure.name, task.measure.higher_is_better, task.measure.best) == ("mAP50", True, 1.0)
    assert task.measure.share and task.chance == 0 and ad.Detection().measure.name == "mAP"


def test_outputs_that_are_no_numbers_are_scored_and_have_a_loss() -> None:
    logits, placed = given(CLASSES + 1)
    placed[0, 0] = logits[0, 1] = torch.nan
    assert 0 <= scored(ad.Detection(), (logits, placed), asked()) <= 1
    assert not ad.Detection().loss((logits, placed), (0, asked())).isfinite()


def test_a_mean_of_no_object_is_refused() -> None:
    with pytest.raises(UsageError, match="none of the images has any"):
        scored(ad.Detection(), given(3), [target(0)] * 3)


@pytest.mark.parametrize("nothing", [True, False])
def test_a_teacher_is_followed_where_it_sees_objects(nothing: bool) -> None:
    task, (logits, placed) = ad.Detection(nothing=nothing), given(CLASSES + nothing)
    logits[..., 0] = torch.where(torch.arange(PLACES) < 2, 9.0, -9.0)
    if nothing:
        logits[..., -1] = -logits[..., 0]
    logits[..., 1] = -9.0
    there, elsewhere = placed.clone(), placed.clone()
    there[:, :2] += 0.1
    elsewhere[:, 2:] += 0.1
    same, near, far = (float(task.apart((logits, one), (logits, placed), 2.0)) for one in (placed, there, elsewhere))
    assert same == pytest.approx(0, abs=1e-6) and near == pytest.approx(0.4, rel=0.01) and far < 0.001
    assert float(task.apart((logits - 1 * (logits > 0), placed), (logits, placed), 2.0)) > 1e-4


def test_a_loss_and_a_reading_of_ones_own() -> None:
    def loss(outputs: Tensor, batch: Any) -> Tensor:
        return outputs.mean() + len(batch[1])

    def read(outputs: Tensor) -> list[dict[str, Tensor]]:
        return [detected((float(one), 0.9, 0)) for one in outputs]

    task = ad.Detection(loss=loss, detections=read)
    outputs, wanted = torch.tensor([0.0, 1.0]), [placed((0, 0)), placed((1, 0))]
    assert float(task.loss(outputs, (0, wanted))) == 2.5
    assert scored(task, outputs, wanted) == 1.0
    assert float(task.apart(outputs, outputs, 2.0)) == 0
    with pytest.raises(UsageError, match=r"the loss is \(2,\), expected a scalar tensor"):
        ad.Detection(loss=lambda o, b: o).loss(outputs, (0, wanted))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ad.Detection("mAP75"), "unknown score 'mAP75': did you mean 'mAP50'"),
        (lambda: ad.Detection(loss=3), "loss is int, expected a function"),
    ],
)
def test_tasks_that_cannot_be(make: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()


def test_recipes_name_it() -> None:
    task = make_task({"kind": "detection", "score": "mAP50", "nothing": False, "class_weights": [1.0, 2.0]})
    assert isinstance(task, ad.Detection) and task.measure.name == "mAP50"
    with pytest.raises(UsageError, match="unknown task setting 'loss'"):
        make_task({"kind": "detection", "loss": "focal"})


PIXELS = {"boxes": torch.tensor([[260.0, 177, 231, 199]]), "class_labels": torch.tensor([1])}


@pytest.mark.parametrize(
    ("outputs", "wanted", "told"),
    [
        (
            drawn(3, 6, 3),
            asked(),
            r'gives \(3, 6, 3\): .*request them with gates\(…, outputs=\("logits", "pred_boxes"\)',
        ),
        ((drawn(3, 6, 3), drawn(3, 5, 4)), asked(), r"gives \(3, 6, 3\), \(3, 5, 4\): expected logits"),
        (given(3), asked()[:2], "a target of 2 list for 3 images: expected a list with one dict per image"),
        (given(3), drawn(3, 4), "a target of Tensor for 3 images"),
        (given(3), [{"bbox": 1, "labels": 2}] * 3, "an image contains bbox, labels: expected boxes and class_labels"),
        (given(3), [target(2) | {"boxes": boxes(3)}] * 3, r"boxes of shape \(3, 4\) with class_labels \(2,\)"),
        (given(3), [target(2) | {"class_labels": drawn(2)}] * 3, r"\(2,\), torch.float32: expected"),
        (given(3), [PIXELS] * 3, "a box of 260, 177, 231, 199: expected centre x, .* as fractions of the image"),
        (
            given(2),
            [target(4, 1)] * 3,
            "class_labels from 0 to 1: expected values from 0 to 0, as the network has 1 cl",
        ),
    ],
)
def test_what_does_not_fit_is_told(outputs: Any, wanted: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ad.Detection().loss(outputs, (0, wanted))


def test_weights_of_another_number_of_classes_are_told() -> None:
    with pytest.raises(UsageError, match="3 class_weights for a network of 2 classes"):
        ad.Detection(class_weights=(1, 2, 3)).loss(given(3), (0, asked()))


def test_batches_whose_boxes_come_first_are_as_large_as_their_images() -> None:
    batch = {"labels": asked(), "pixels": drawn(3, 2)}
    assert size_of(batch) == size_of((drawn(3, 2), asked())) == 3
    first = taken(batch, 2)
    assert len(first["labels"]) == len(first["pixels"]) == 2 and len(first["labels"][0]["boxes"]) == 4


class Detector(nn.Module):
    """Images of 8 × 8 to four places, as models of transformers give them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.branch, self.act = nn.Conv2d(1, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
        self.kinds, self.places = nn.Conv2d(8, CLASSES + 1, 1), nn.Conv2d(8, 4, 1)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        features = self.first(pixels)
        features = features + self.act(self.branch(features))
        kinds, places = (head(features).flatten(2).transpose(1, 2) for head in (self.kinds, self.places))
        return {"logits": kinds, "pred_boxes": places.sigmoid(), "last_hidden_state": features}


@pytest.mark.slow
@pytest.mark.usefixtures("short_lessons")
def test_a_detector_is_searched_by_what_the_task_asks_of_it() -> None:
    torch.manual_seed(0)
    model, pixels = Detector().eval(), drawn(6, 1, 8, 8)
    batches = [{"labels": [target(n % 3, n) for n in part], "pixels": pixels[part]} for part in ([0, 1, 2], [3, 4, 5])]
    data = {"train": batches, "validation": batches}
    settings = ad.SearchSettings(evaluations=4, sample=2, dial_steps=5, rounds=1, epochs=1, regime="tuned")

    def searched(outputs: tuple[str, ...] | None) -> ad.Family:
        net = ad.gates(model, batches[0], outputs=outputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NearChance)
            return ad.search(net, data, counted_table(net), task=ad.Detection("mAP50"), settings=settings)

    with pytest.raises(UsageError, match=r'gates\(…, outputs=\("logits", "pred_boxes"\)\)'):
        searched(None)
    family = searched(("logits", "pred_boxes"))
    assert family.front()[-1].to_json()["mAP50"] >= 0 and not isinstance(family.task, StoredTask)
    tuned = family.front()[0].finetune(batches, ad.TrainSettings(epochs=1), teacher=family.network.untouched())
    assert tuned(pixels).keys() == {"logits", "pred_boxes"}
