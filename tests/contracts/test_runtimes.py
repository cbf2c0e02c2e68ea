"""Every runtime fulfils its contract."""

from __future__ import annotations

import pytest

from archdial.cost.measuring.runtimes import RUNTIMES, Runtime, runtime
from archdial.testing import RuntimeContract

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators_once")]


@pytest.mark.parametrize("kind", RUNTIMES)
class TestRuntimes(RuntimeContract):
    @pytest.fixture(autouse=True)
    def chosen(self, kind: str) -> None:
        self.kind = kind

    def make(self, threads: int = 1, device: str = "cpu") -> Runtime:
        return runtime(self.kind, threads, device)

    def test_its_name_and_its_extra_are_those_that_users_type(self) -> None:
        chosen = self.make()
        assert chosen.name == self.kind
        assert not chosen.needs or chosen.extra == self.kind
