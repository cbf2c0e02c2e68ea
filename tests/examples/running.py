"""What tests of example scripts share: running one on tiny settings, and reading numbers from what it prints."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archdial as ad
from archdial.cost.table.table import CostTable


def run_script(
    path: Path,
    arguments: list[str],
    profile: Callable[..., CostTable],
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    """Run the script with tables by `profile` and `settings` in place of its search settings; return what it prints."""
    monkeypatch.setattr(sys, "argv", [path.name, *arguments])
    monkeypatch.setattr(ad, "profile", profile)
    own = ad.SearchSettings
    monkeypatch.setattr(ad, "SearchSettings", lambda **given: own(**{**given, **settings}))
    runpy.run_path(str(path), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def numbers(lines: list[str], pattern: str) -> list[float]:
    return [float(found.group(1)) for line in lines if (found := re.search(pattern, line))]


def check_short(scripts: Path, most: int, then: str, tests: str) -> None:
    """Check that each script has at most `most` lines, says how it is run, and is run by one of `tests`, a file's text.

    Args:
        then: what follows the path of a script in the command.
    """
    for path in scripts.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= most, path.name
        assert f"python examples/{scripts.name}/{path.name}{then}" in text.splitlines()[0], path.name
        assert f"def test_{path.stem}(" in tests, path.name
