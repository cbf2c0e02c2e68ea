"""Example inputs: a tree of tensors, of which most of the house wants the shapes."""

from __future__ import annotations

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.networks.example import example_of, shape_of, shapes_of


def test_shapes_are_those_of_the_tensors_without_the_batch() -> None:
    tree = {"ids": torch.zeros(2, 7), "pair": (torch.zeros(2, 3, 4), torch.zeros(2))}
    assert shapes_of(tree) == [(7,), (3, 4), ()]
    assert shape_of([torch.zeros(5, 3, 8, 8)]) == (3, 8, 8)
    with pytest.raises(UsageError, match="inputs of 3 tensors"):
        shape_of(tree)


def test_an_example_takes_no_memory() -> None:
    example = example_of((3, 10_000, 10_000))
    assert example.shape == (1, 3, 10_000, 10_000) and example.untyped_storage().nbytes() == 4
