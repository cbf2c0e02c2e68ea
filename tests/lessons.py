"""Predictors and dials that learn briefly."""

from __future__ import annotations

import pytest

from archdial.searching import dialling
from archdial.searching.predictor import ErrorPredictor


def shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ErrorPredictor.fit, "__defaults__", (20,))
    patch.setattr(dialling, "LESSON", 16)
    patch.setattr(dialling, "LIKELY", 1)
