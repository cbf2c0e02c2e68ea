"""The PNG of the front."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
from PIL import Image

from archdial.common.errors import UsageError
from archdial.report.picture import write_front_picture
from tests import copied


@pytest.mark.parametrize("name", ["scalar_file", "simplex_file"])
def test_picture_is_a_png_of_sensible_size(tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    path = write_front_picture(tmp_path / "front.png", request.getfixturevalue(name))
    with Image.open(path) as image:
        image.verify()
        assert image.format == "PNG"
        assert 1000 <= image.width <= 1600 and 600 <= image.height <= 1000


def test_names_are_not_read_as_formulas(tmp_path: Path, simplex_file: dict[str, Any]) -> None:
    simplex_file["data"] = r"$\nothing{$"
    simplex_file["dial"]["kinds"] = [r"$\a$", "$b^{$", "c"]
    assert write_front_picture(tmp_path / "front.png", simplex_file).is_file()


@pytest.mark.parametrize("name", ["[red]x[/red]", "[link=http://x]a", "</script>&amp;\n\x1b[2J", "x" * 10_000, ""])
def test_any_name_leaves_room_for_the_chart(tmp_path: Path, simplex_file: dict[str, Any], name: str) -> None:
    simplex_file["data"] = name
    simplex_file["dial"]["kinds"] = [name[:500] or "a"] * 3
    for member in simplex_file["members"]:
        member["provenance"]["latency_ms"] = name
    with catch_warnings():
        # Matplotlib warns where a letter is in no font, and where axes get no room.
        simplefilter("error")
        assert write_front_picture(tmp_path / "front.png", simplex_file).is_file()


def test_a_simplex_of_many_corners(tmp_path: Path, simplex_file: dict[str, Any]) -> None:
    for member in simplex_file["members"]:
        member["dial"] += [0.0] * 997
    with catch_warnings():
        simplefilter("error")
        assert write_front_picture(tmp_path / "front.png", simplex_file).is_file()


def test_members_without_a_dial(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    for member in scalar_file["members"]:
        member["dial"] = None
    assert write_front_picture(tmp_path / "front.png", scalar_file).is_file()


def test_malformed_files_leave_no_picture(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="format"):
        write_front_picture(tmp_path / "front.png", scalar_file | {"format": "png"})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_matplotlib_is_imported_only_for_a_picture() -> None:
    copied.run("import sys, archdial.report.picture; sys.exit('matplotlib' in sys.modules)")
