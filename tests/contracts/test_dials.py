"""Every dial fulfils its contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.dial import DIALS, Budget, Dial, make_dial, register_dial
from archdial.testing import DialContract
from archdial.testing.dials import JOINT, SPACE, TRADE, cost, seeded, soft


class TestDials(DialContract):
    @pytest.fixture(params=DIALS)
    def open_dial(self, request: pytest.FixtureRequest) -> Dial:
        # An operation-wise dial may ask for few of a cheap kind.
        self.rises_with_cost = request.param != "operation_simplex"
        return make_dial({"kind": request.param}).fitted(SPACE.kinds)


@pytest.mark.parametrize(
    "settings", [{"kind": "scalar"}, {"kind": "operation_simplex", "balanced": False}], ids=lambda value: value["kind"]
)
def test_penalty_is_linear_in_the_weights_of_each_choice(settings: dict[str, Any]) -> None:
    dial = make_dial(settings).fitted(SPACE.kinds, TRADE)
    table, share = cost(JOINT), 0.3
    for row in range(len(SPACE.choices)):
        one, other = soft(4, 1), soft(4, 1)
        other[:, row] = soft(4, 2)[:, row]
        positions = dial.sample(4, seeded()).double()
        mixed = dial.penalty(positions, share * one + (1 - share) * other, table)
        parts = dial.penalty(positions, one, table), dial.penalty(positions, other, table)
        torch.testing.assert_close(mixed, share * parts[0] + (1 - share) * parts[1])


def test_unknown_kind() -> None:
    value: dict[str, Any] = {"kind": "scalars"}
    with pytest.raises(UsageError, match=r"did you mean 'scalar'.*import the module that registers it"):
        make_dial(value)


def test_no_other_class_takes_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in DIALS:
        monkeypatch.setitem(DIALS, kind, DIALS[kind])
    reloaded = type("Budget", (Budget,), {"__module__": Budget.__module__})
    assert register_dial(reloaded) is DIALS["budget"] is reloaded
    other = type("Allowance", (Budget,), {})
    taken = r"kind of dial 'budget' is taken by archdial\.dial\.budget\.Budget: .*Allowance"
    with pytest.raises(UsageError, match=taken):
        register_dial(other)
    assert DIALS["budget"] is reloaded
