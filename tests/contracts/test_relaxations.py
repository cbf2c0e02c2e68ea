"""Every relaxation fulfils its contract."""

from __future__ import annotations

import pytest

from archdial.relaxation import RELAXATIONS, Relaxation, make_relaxation
from archdial.testing import RelaxationContract
from archdial.testing.relaxations import SPACE


class TestRelaxations(RelaxationContract):
    @pytest.fixture(params=RELAXATIONS)
    def relaxation(self, request: pytest.FixtureRequest) -> Relaxation:
        return make_relaxation(request.param, SPACE)

    def test_is_registered_by_its_name(self, relaxation: Relaxation) -> None:
        assert RELAXATIONS[relaxation.name] is type(relaxation)
