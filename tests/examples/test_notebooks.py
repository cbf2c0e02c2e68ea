"""Each notebook goes through on tiny settings, and the file has the outputs of its own cells in order."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from matplotlib import pyplot

import archdial as ad
from archdial.cost.table.scaled import scaled
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostNetwork
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from tests.networks.examples import counted_table

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
ON_A_MACHINE = re.compile(r"(?:^|[\s\"'(=])(?:/(?:[\w.-]+/)+[\w.-]+|[A-Z]:\\)|file://|site-packages")
NOISE = re.compile(r"Warning|Traceback|it/s|\d+%\|| object at 0x|\x1b\[")
MOST_BYTES = 100_000


def going_through(test: Any) -> Any:
    return pytest.mark.slow(pytest.mark.usefixtures("short_lessons", "short_lesson")(test))


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code(name: str) -> list[Any]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def text_of(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_file_has_the_outputs_of_one_run(name: str) -> None:
    cells = code(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        kinds = {output.output_type for output in cell.outputs}
        assert not kinds - {"stream", "display_data"}, cell.source
        assert {output.name for output in cell.outputs if output.output_type == "stream"} <= {"stdout"}
        assert ("stream" in kinds) == ("print(" in cell.source), cell.source
        assert ("display_data" in kinds) == ("pyplot.show()" in cell.source), cell.source
        said = text_of(cell.outputs)
        assert not ON_A_MACHINE.search(said) and not NOISE.search(said), said
        pictures = [output.data["image/png"] for output in cell.outputs if "data" in output]
        assert all(len(base64.b64decode(picture)) < MOST_BYTES for picture in pictures)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_told_what_each_cell_is_for_and_links_lead_somewhere(name: str) -> None:
    cells = read(name).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    for before, cell in itertools.pairwise(cells):
        assert cell.cell_type == "markdown" or before.cell_type == "markdown", cell.source
    told = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\(([^)\s]+)\)", told):
        assert (FOLDER / link.partition("#")[0]).exists(), link


def counted(network: Supernet, batch_size: int = 1) -> CostTable:
    """Return a table whose times follow from counts, and two networks as if they had been measured."""
    table = counted_table(network)
    taken = [network.space.describe(Architecture((option,) * len(network.space.choices))) for option in (0, 1)]
    networks = tuple(CostNetwork(names, 1.0 + number, 0.01) for number, names in enumerate(taken))
    return scaled(replace(table, networks=networks), batch_size, table.runtime)


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run the cells; return what each printed."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(ad, "profile", counted)
    settings = ad.SearchSettings
    monkeypatch.setattr(ad, "SearchSettings", lambda **given: settings(**{**given, "dial_steps": 20}))
    monkeypatch.setattr(pyplot, "show", lambda: print(len(pyplot.gca().lines), "lines"))
    pyplot.switch_backend("Agg")
    space: dict[str, Any] = {"__name__": "__main__"}
    said = []
    for cell in code(name):
        exec(compile(cell.source, f"{name}.ipynb", "exec"), space)
        if "parameters" in cell.metadata.get("tags", ()):
            assert {"epochs", "evaluations"} <= set(space)
            space |= {"epochs": 1, "evaluations": 10}
        said.append(capsys.readouterr().out)
    pyplot.close("all")
    return said


def numbers(text: str, pattern: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, text)]


@going_through
def test_first_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("first_family", tmp_path, monkeypatch, capsys)
    (picture,) = [text for text in said if text.endswith(" lines\n")]
    assert picture == "2 lines\n"
    asked, promised = numbers("".join(said), r"(?:asked for|promised) ([\d.]+) ms")
    assert promised <= asked + 1e-3
    assert numbers(said[-1], r"at most (\de[+-]\d+)")[0] < 1e-3
    says, true = (re.findall(r"\d", line.partition(":")[2]) for line in said[-1].splitlines()[1:])
    assert len(says) == len(true) == 8


@going_through
def test_prune_your_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("prune_your_network", tmp_path, monkeypatch, capsys)
    rows = said[-1].splitlines()[1:]
    assert [line.partition("  ")[0] for line in rows] == ["yours", "half", "half, fine-tuned"]
    whole, half, tuned = numbers("\n".join(rows), r"% +([\d.]+) ")
    assert half == tuned <= whole / 2 + 1e-3


@going_through
def test_many_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("many_devices", tmp_path, monkeypatch, capsys)
    assert "camera, server, tablet\n" in said
    (picture,) = [text for text in said if "3 lines\n" in text]
    assert "are on all three" in picture
    asked = numbers("".join(said), r"at most ([\d.]+) ms")
    assert asked[1] == pytest.approx(16 * asked[0], rel=0.1) and asked[2] == pytest.approx(4 * asked[0], rel=0.1)
