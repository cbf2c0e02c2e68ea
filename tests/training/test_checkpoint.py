"""What a checkpoint notes for an optimizer is refused where the optimizer would trip over it later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archdial.training.checkpoint import check_optimizer

NOTES = frozenset({"step", "exp_avg", "exp_avg_sq"})


def stepped() -> torch.optim.Adam:
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return optimizer


def twice(state: dict[str, Any]) -> None:
    state["param_groups"] = state["param_groups"] * 2


def one_less(state: dict[str, Any]) -> None:
    del state["state"][0]["exp_avg"]


def before_the_first(state: dict[str, Any]) -> None:
    state["state"][0]["step"] = torch.tensor(-1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twice, "it has 2 groups, expected 1"),
        (one_less, "it has the state .*, expected exp_avg, exp_avg_sq, step"),
        (before_the_first, "it has no step count"),
    ],
)
def test_notes_of_another_optimizer_are_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    optimizer = stepped()
    state = optimizer.state_dict()
    check_optimizer("it", state, optimizer, NOTES)
    change(state)
    with pytest.raises(ValueError, match=message):
        check_optimizer("it", state, optimizer, NOTES)
