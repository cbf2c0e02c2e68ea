"""What all tests of comparing share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archdial.cost.measuring import isolation
from tests.cost.timed_here import timed_here


@pytest.fixture(scope="module", autouse=True)
def learning_little(short_lessons: None) -> None:
    """Searches for one λ each need no lessons from all over the dial."""


@pytest.fixture(scope="module", autouse=True)
def exporting_once(exported_once: None) -> None:
    """The backbones of several tests are of one shape."""


@pytest.fixture(scope="module", autouse=True)
def measuring_here() -> Iterator[None]:
    """Start no process for each measurement: what is done with its milliseconds is asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "timings", timed_here)
        yield
