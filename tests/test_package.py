"""What is installed: the wheel has all that archdial reads, and public names need no import before them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
SILENT = ("--quiet", "--no-deps", "--no-index")


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy: setuptools leaves its folders beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((HOME / name).read_bytes())
    for path in tracked("src"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes((HOME / path).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", *SILENT, "--no-build-isolation", "--wheel-dir", out, source, cwd=out)
    (found,) = out.glob("*.whl")
    return found


def tracked(folder: str) -> list[Path]:
    """Return the files in `folder` that are sources, not what running them left."""
    files = (path for path in (HOME / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path.relative_to(HOME) for path in files if not any(part.endswith(".egg-info") for part in path.parts)]


@pytest.mark.slow
def test_the_wheel_has_every_source_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = message_from_bytes(archive.read(metadata))
        licence = archive.read(f"{Path(metadata).parent}/licenses/LICENSE")
    expected = {path.relative_to("src").as_posix() for path in tracked("src")}
    assert any(name.endswith(".yaml") for name in expected) and any(name.endswith(".schema.json") for name in expected)
    assert expected - names == set()
    assert told["License-Expression"] == "MIT" and licence == (HOME / "LICENSE").read_bytes()


@pytest.mark.slow
def test_what_the_wheel_installs_runs(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(*PIP, "install", *SILENT, "--no-compile", "--target", target, wheel, cwd=elsewhere)
    # What else is installed is found as ever, but archdial from there alone.
    code = f"""
import sys
sys.path.insert(0, {str(target)!r})
import archdial
assert archdial.__file__.startswith({str(target)!r}), archdial.__file__
from archdial.cli import main
sys.argv = ["archdial", *sys.argv[1:]]
main()
"""
    assert run(sys.executable, "-c", code, "--version", cwd=elsewhere).startswith("archdial ")
    assert "digits" in run(sys.executable, "-c", code, "recipes", cwd=elsewhere)
    assert (target / "bin" / "archdial").is_file()


@pytest.mark.slow
def test_a_dial_by_its_package_in_a_fresh_process(tmp_path: Path) -> None:
    """`ad.dial.Power()`, as docs/dials.md has it, worked only after another dial had been imported."""
    code = "import sys, archdial as ad; assert 'torch' not in sys.modules; print(ad.dial.Power().kind)"
    assert run(sys.executable, "-c", code, cwd=tmp_path) == "power\n"
