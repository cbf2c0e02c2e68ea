"""What torch tells its own developers while a network is captured is not heard; what the user's code tells is."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import UsageError

SEQUENCES = torch.rand(2, 5, 8, generator=torch.Generator().manual_seed(0))


class Talking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.mix, self.head = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        print("printed", file=sys.stderr)
        logging.getLogger("mine").warning("logged")
        warnings.warn("warned", UserWarning, stacklevel=1)
        found = self.layer(inputs)[0][:, -1]
        return self.head(found + self.mix(found).relu())


class Deciding(Talking):
    def forward(self, inputs: Tensor) -> Tensor:
        result = super().forward(inputs)
        return result + 1 if float(result.sum()) > 0 else result


@pytest.mark.parametrize("kind", [Talking, Deciding])
def test_only_the_users_code_is_heard(
    kind: type[nn.Module], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    heard, logger = logging.StreamHandler(stream := sys.stderr), logging.getLogger("torch")
    logger.addHandler(heard)
    before = list(heard.filters)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            if kind is Deciding:
                with pytest.raises(UsageError, match="it depends on values"):
                    ad.gates(kind(), SEQUENCES)
            else:
                assert ad.gates(kind(), SEQUENCES).gates
    finally:
        logger.removeHandler(heard)
    assert {str(one.message) for one in said} == {"warned"}
    assert {*capsys.readouterr().err.split()} == {"printed"}
    assert {record.message for record in caplog.records if record.levelno >= logging.WARNING} == {"logged"}
    assert sys.stderr is stream and heard.filters == before
