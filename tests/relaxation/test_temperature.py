"""The schedule of the temperature."""

from __future__ import annotations

import pytest

from archdial.common.errors import UsageError
from archdial.relaxation import Temperature
from archdial.relaxation.temperature import SHAPES


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("start", "end"), [(1.0, 0.2), (5.0, 0.1), (0.3, 0.3), (0.5, 2.0)])
def test_exact_at_both_ends_and_monotone_between(shape: str, start: float, end: float) -> None:
    schedule = Temperature(start, end, shape)
    assert schedule(0.0) == start
    assert schedule(1.0) == end
    values = [schedule(step / 20) for step in range(21)]
    assert values == pytest.approx(sorted(values, reverse=start > end))
    assert all(min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9 for value in values)


def test_values_half_way() -> None:
    assert Temperature()(0.5) == pytest.approx(0.6)
    assert Temperature(shape="cosine")(0.5) == pytest.approx(0.6)
    assert Temperature(1.0, 0.25, "exponential")(0.5) == pytest.approx(0.5)
    assert Temperature(shape="cosine")(0.1) > Temperature()(0.1)


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf")])
def test_ends_must_be_positive(value: float) -> None:
    with pytest.raises(UsageError, match=r"temperature.start"):
        Temperature(start=value)
    with pytest.raises(UsageError, match=r"temperature.end"):
        Temperature(end=value)


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan")])
def test_progress_is_a_share(progress: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        Temperature()(progress)


def test_unknown_shape() -> None:
    with pytest.raises(UsageError, match="unknown temperature shape 'cosin': did you mean 'cosine'"):
        Temperature(shape="cosin")
