"""How far a file's outputs are from the module's, and how far they may be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from archdial.exporting.agreement import differences

INF = math.inf


class Gives(nn.Module):
    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self) -> Tensor:
        return self.outputs


@pytest.mark.parametrize(
    ("expected", "given", "apart", "allowed"),
    [
        ([0.5, -0.25], [0.5, 0.0], 0.25, 1e-4),
        ([3000.0, 1.0], [3000.0, 1.5], 0.5, 0.3),
        ([-INF, 2.0], [-INF, 1.0], 1.0, 2e-4),
        ([-INF, 2.0], [1.0, 2.0], INF, 2e-4),
        ([math.nan, 2.0], [math.nan, 2.0], INF, 2e-4),
        ([], [], 0.0, 1e-4),
    ],
)
def test_shares_of_the_largest(expected: list[float], given: list[float], apart: float, allowed: float) -> None:
    found = differences(lambda: torch.tensor(given), Gives(torch.tensor(expected)), [()])
    assert found == (apart, pytest.approx(allowed))


def test_half_precision_has_few_digits() -> None:
    expected = torch.tensor([1.0, 8.0], dtype=torch.float16)
    apart, allowed = differences(lambda: expected + 2**-7, Gives(expected), [()])
    assert apart == 2**-7 <= allowed == pytest.approx(8 * 4 * torch.finfo(torch.float16).eps)


def test_outputs_that_are_no_numbers() -> None:
    expected = torch.tensor([True, False])
    assert differences(lambda: ~expected, Gives(expected), [()])[0] == 1.0
    assert differences(lambda: expected, Gives(expected), [()])[0] == 0.0
