"""Extras are told as the metadata has them, with what is installed."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from archdial.common.extras import Library, extras

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_those_of_the_project() -> None:
    assert extras().keys() == PROJECT["optional-dependencies"].keys() - {"dev"}
    assert {one.name for one in extras()["report"]} == {"matplotlib", "plotly"}


def test_libraries_here_are_the_installed_ones() -> None:
    (found,) = [one for one in extras()["report"] if one.name == "plotly"]
    assert found == Library("plotly", "<8,>=6", metadata.version("plotly"), True)


@pytest.mark.parametrize(("version", "fits"), [(None, False), ("5.24.1", False), ("6.0.0", True), ("8.0", False)])
def test_what_is_missing_or_of_another_version(
    version: str | None, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", told)
    (found,) = [one for one in extras()["report"] if one.name == "plotly"]
    assert (found.version, found.fits) == (version, fits)


def test_none_where_archdial_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", missing)
    assert extras() == {}
