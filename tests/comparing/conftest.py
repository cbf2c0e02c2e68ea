"""What all tests of comparing share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def learning_little(short_lessons: None) -> None:
    """Searches for one λ each need no lessons from all over the dial."""
