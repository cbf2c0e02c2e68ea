"""The contract that every task fulfils, as tests to subclass."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from archdial.data.split import Batch
from archdial.data.takes import taken
from archdial.tasks.measure import Measure
from archdial.tasks.task import Outputs, Task, tensors_in

STEPS, RATE = 300, 0.1
"""Of Adam on the outputs alone: enough for any loss of a few examples to come close to its least."""


class TaskContract:
    """What searches, training and comparisons rely on. Subclass it and return your task and data for it:

    class TestMine(archdial.testing.TaskContract):
        def make(self) -> MyTask:
            return MyTask()

        def batches(self) -> list[Batch]:
            return [(inputs[:5], target[:5]), (inputs[5:], target[5:])]

        def outputs(self, batch: Batch) -> Outputs:
            return torch.randn(len(batch[0]), 3)
    """

    def make(self) -> Task:
        """Return the task."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make() that returns your task")

    def batches(self) -> Sequence[Batch]:
        """Return at least two different batches of two examples or more, as a loader gives them."""
        raise NotImplementedError(f"{type(self).__name__} needs a method batches() that returns at least two batches")

    def outputs(self, batch: Batch) -> Outputs:
        """Return outputs of a network that knows nothing, drawn at random, in single precision, for `batch`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method outputs(batch) that returns random outputs")

    @pytest.fixture
    def task(self) -> Task:
        """The task."""
        return self.make()

    @pytest.fixture
    def judged(self) -> list[tuple[Outputs, Batch]]:
        """Outputs with the batches that they are for, the same in each test."""
        torch.manual_seed(0)
        return [(self.outputs(batch), batch) for batch in self.batches()]

    def test_inputs_are_those_of_the_batch_and_one_example_is_a_batch_of_one(self, task: Task) -> None:
        for batch in self.batches():
            count = task.size(batch)
            assert count >= 2
            inputs = tensors_in(task.inputs(batch, torch.device("cpu")))
            example = tensors_in(task.example(batch))
            assert inputs and {len(one) for one in inputs} == {count}
            assert [one.shape[1:] for one in example] == [one.shape[1:] for one in inputs]
            assert {len(one) for one in example} == {1}
            assert task.size(taken(batch, 1)) == 1

    def test_the_loss_is_one_finite_number_that_can_be_descended(
        self, task: Task, judged: list[tuple[Outputs, Batch]]
    ) -> None:
        for outputs, batch in judged:
            for smoothing in (0.0, 0.1):
                descended = leaves(outputs)
                loss = task.loss(descended, batch, smoothing)
                assert loss.shape == () and loss.isfinite()
                gradients = torch.autograd.grad(loss, tensors_in(descended), allow_unused=True)
                found = [one for one in gradients if one is not None]
                assert found and all(one.isfinite().all() for one in found)
                assert any(one.any() for one in found)

    def test_who_descends_the_loss_scores_better(self, task: Task, judged: list[tuple[Outputs, Batch]]) -> None:
        after = [(descended(task, outputs, batch), batch) for outputs, batch in judged]
        for (outputs, batch), (better, _) in zip(judged, after, strict=True):
            assert task.loss(better, batch) < task.loss(outputs, batch)
        assert task.measure.merit(scored(task, after)) > task.measure.merit(scored(task, judged))

    def test_the_score_follows_from_all_batches_in_any_order(
        self, task: Task, judged: list[tuple[Outputs, Batch]]
    ) -> None:
        assert len(judged) > 1
        whole = scored(task, judged)
        assert scored(task, judged[::-1]) == pytest.approx(whole, abs=1e-6)
        assert scored(task, judged) == whole, "a second score starts from nothing"
        assert scored(task, [*judged, *judged]) == pytest.approx(whole, abs=1e-5)

    def test_the_score_can_be_one_of_its_measure(self, task: Task, judged: list[tuple[Outputs, Batch]]) -> None:
        value, measure = scored(task, judged), task.measure
        assert math.isfinite(value) and measure.checked(value) == value
        assert measure.score(measure.error(value)) == pytest.approx(value)
        assert Measure(**vars(measure)) == measure
        chance = task.chance
        assert chance is None or measure.checked(chance) == chance

    def test_judging_changes_nothing(self, task: Task, judged: list[tuple[Outputs, Batch]]) -> None:
        kept = copy.deepcopy(judged)
        losses = [float(task.loss(outputs, batch)) for outputs, batch in judged]
        scored(task, judged)
        for (outputs, batch), (other, same) in zip(judged, kept, strict=True):
            assert all(one.equal(two) for one, two in zip(tensors_in(outputs), tensors_in(other), strict=True))
            assert all(one.equal(two) for one, two in zip(tensors_in(batch), tensors_in(same), strict=True))
        assert [float(task.loss(outputs, batch)) for outputs, batch in judged] == losses

    def test_a_prepared_batch_is_judged_alike(self, task: Task, judged: list[tuple[Outputs, Batch]]) -> None:
        prepared = [(outputs, task.prepared(batch)) for outputs, batch in judged]
        assert scored(task, prepared) == pytest.approx(scored(task, judged), abs=1e-6)
        for (outputs, batch), (_, ready) in zip(judged, prepared, strict=True):
            assert task.size(ready) == task.size(batch)
            torch.testing.assert_close(task.loss(outputs, ready), task.loss(outputs, batch))

    def test_equal_outputs_are_not_apart_and_others_are(self, task: Task, judged: list[tuple[Outputs, Batch]]) -> None:
        outputs, batch = judged[0]
        torch.manual_seed(1)
        others = leaves(self.outputs(batch))
        assert float(task.apart(outputs, outputs, 1.0)) == pytest.approx(0.0, abs=1e-5)
        distance = task.apart(others, outputs, 2.0)
        assert distance.shape == () and distance.isfinite() and distance > 0
        gradients = torch.autograd.grad(distance, tensors_in(others), allow_unused=True)
        assert any(one is not None and one.isfinite().all() and one.any() for one in gradients)


def leaves(outputs: Outputs) -> Outputs:
    """Return copies of `outputs` that gradients reach."""

    def leaf(one: Tensor) -> Tensor:
        return one.detach().clone().requires_grad_(one.is_floating_point())

    return pytree.tree_map_only(Tensor, leaf, outputs)


def descended(task: Task, outputs: Outputs, batch: Batch) -> Outputs:
    """Return what becomes of `outputs` when the loss of `task` is descended."""
    moved = leaves(outputs)
    optimizer = torch.optim.Adam([one for one in tensors_in(moved) if one.requires_grad], lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        task.loss(moved, batch).backward()
        optimizer.step()
    return pytree.tree_map_only(Tensor, Tensor.detach, moved)


def scored(task: Task, judged: Sequence[tuple[Outputs, Batch]]) -> float:
    """Return the score of all outputs for their batches."""
    score = task.score()
    for outputs, batch in judged:
        score.add(outputs, batch)
    return score.value()
