"""The page says which cheaper member is as good within the noise of the evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archdial.report.as_good import as_good
from archdial.report.numbers import report_numbers
from archdial.report.page import write_page


def file_of(scalar_file: dict[str, Any], rows: list[tuple[float, float]], examples: object) -> dict[str, Any]:
    members = []
    for number, (accuracy, ms) in enumerate(rows):
        member = {**scalar_file["members"][number], "accuracy": accuracy, "latency_ms": ms}
        member["provenance"] = {**member["provenance"], "accuracy": "measured", "latency_ms": "measured"}
        members.append(member)
    return {**scalar_file, "members": members, "front": None, "examples": examples}


def page(folder: Path, value: dict[str, Any]) -> str:
    return write_page(folder / "report.html", value).read_text(encoding="utf-8")


# Half a point over 1.2 ms sold 8 ms, and the standard error was as large.
ROWS = [(0.875, 8.0), (0.870, 1.2), (0.868, 2.0), (0.80, 0.5)]


def test_half_a_point_is_within_the_noise(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    value = file_of(scalar_file, ROWS, 2_000)
    found = as_good(report_numbers(value))
    assert found is not None
    assert (found.best.latency_ms, found.cheaper.latency_ms) == (8.0, 1.2)
    assert found.noise == pytest.approx((0.875 * 0.125 / 2_000) ** 0.5)
    text = page(tmp_path, value)
    assert "Within evaluation noise (one standard error on 2,000 examples, 0.74 points)" in text
    assert "is as good as the best: 87.00 % at 1.20 ms, not 87.50 % at 8.00 ms." in text
    dial = value["members"][1]["dial"]
    assert f"<code>archdial pick RUN --at {dial!r}</code>" in text


@pytest.mark.parametrize(
    ("rows", "examples"),
    [
        # So many examples tell them apart.
        (ROWS, 50_000),
        # Nobody says how many there were.
        (ROWS, None),
        # It saves next to nothing.
        ([(0.875, 8.0), (0.870, 7.9)], 2_000),
        ([(0.875, 8.0)], 2_000),
    ],
)
def test_nothing_is_said_otherwise(
    tmp_path: Path, scalar_file: dict[str, Any], rows: list[tuple[float, float]], examples: int | None
) -> None:
    value = file_of(scalar_file, rows, examples)
    assert as_good(report_numbers(value)) is None
    assert "Within evaluation noise" not in page(tmp_path, value)


def test_predicted_scores_say_nothing(scalar_file: dict[str, Any]) -> None:
    value = file_of(scalar_file, ROWS, 2_000)
    value["members"][1]["provenance"]["accuracy"] = "predicted"
    found = as_good(report_numbers(value))
    assert found is not None and found.cheaper.latency_ms == 2.0


def test_of_other_scores_no_error_is_known(scalar_file: dict[str, Any]) -> None:
    value = file_of(scalar_file, ROWS, 2_000)
    value["score"] = {"name": "macro F1", "higher_is_better": True, "best": 1.0, "share": True}
    for row in (*value["members"], *value["archive"]):
        row["macro F1"] = row.pop("accuracy")
        row.get("provenance", {}).pop("accuracy", None)
    assert as_good(report_numbers(value)) is None


def test_a_position_of_several_numbers(tmp_path: Path, simplex_file: dict[str, Any]) -> None:
    value = file_of(simplex_file, ROWS, 2_000)
    dial = ",".join(map(repr, value["members"][1]["dial"]))
    assert f"archdial pick RUN --at {dial}</code>" in page(tmp_path, value)


def test_an_older_file_says_nothing(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    assert report_numbers(scalar_file).examples is None
    assert "Within evaluation noise" not in page(tmp_path, scalar_file)
