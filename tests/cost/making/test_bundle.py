"""A bundle: its script runs in a Python without torch and archdial, and what it writes is a cost table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import onnxruntime
import pytest

from archdial.common.errors import RunError, UsageError
from archdial.cost.making.bundle import write_bundle
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.fit import FEWEST
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Part, TermPlan
from tests import copied
from tests.cost.examples import Toy
from tests.networks.examples import tiny

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators_once")]

NEEDED = (numpy, onnxruntime)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The packages of a device: numpy and ONNX Runtime, and what they came with."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for module in NEEDED:
        home = Path(str(module.__file__)).parent
        for found in home.parent.glob(f"{home.name}*"):
            (packages / found.name).symlink_to(found)
    return packages


def run(folder: Path, packages: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script with these packages alone."""
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "assert not {'torch', 'archdial'} & set(sys.modules)"
    )
    code = f"import sys; sys.argv.pop(0); {code}"
    command = [sys.executable, "-I", "-S", "-c", code, str(folder / "measure.py"), str(packages), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_a_device_without_torch_measures_a_table(tmp_path: Path, elsewhere: Path) -> None:
    network = tiny(cells=1, operations=("identity", "max_pool_3x3", "sep_conv_3x3"))
    seen: list[tuple[int, int]] = []
    folder = write_bundle(
        network, tmp_path / "bundle", networks=FEWEST, progress=lambda done, total: seen.append((done, total))
    )
    count = len(list((folder / "parts").iterdir()))
    assert seen == [(done, count) for done in range(1, count + 1)]
    # Two would not do: what is quickest could be fitted to nothing on a busy machine.
    repeats = 9
    answer = run(folder, elsewhere, "--repeats", str(repeats))
    assert answer.returncode == 0, answer.stderr
    assert "table in" in answer.stdout and f"\n1 of {count + count * repeats}\n" in answer.stderr
    table = CostTable.load(folder / "table.json", network.space)
    assert table.runtime["runtime"] == "onnxruntime" and table.runtime["runtime_version"] == onnxruntime.__version__
    assert table.fit is not None and table.fit.networks == FEWEST and len(table.parts) == count - FEWEST
    cost = ExpectedCost(network.space, table)
    assert 0 < cost.lowest < cost.highest
    assert ExpectedCost(network.space, table, "parameters").highest > 0


def test_wrong_options_are_told(tmp_path: Path, elsewhere: Path) -> None:
    folder = write_bundle(Toy(), tmp_path / "bundle", networks=0)
    assert "expected whole numbers" in run(folder, elsewhere, "--threads", "0").stderr
    assert "has no .pte files" in run(folder, elsewhere, "--runtime", "executorch").stderr
    assert not (folder / "table.json").exists()
    assert "no such folder" in run(folder, elsewhere, "--out", str(tmp_path / "nowhere" / "a.json")).stderr
    notes = tmp_path / "notes.json"
    notes.write_text('{"mine": 1}')
    assert "is not a cost table" in run(folder, elsewhere, "--out", str(notes)).stderr
    assert notes.read_text() == '{"mine": 1}'


ALONE = """
import runpy, sys
runpy.run_path("measure.py", run_name="__main__")
assert "archdial" not in sys.modules
"""


def test_programs_for_executorch_too(tmp_path: Path) -> None:
    network = Toy()
    pool = Part("pool", network.pool, (2, 4, 4), ())
    # Two parts are enough, a program takes a second.
    always = TermPlan((), {(): (Part("stem", network.stem, (1, 4, 4), ()),)})
    network.terms = lambda: [always, TermPlan(("a",), {("pool",): (pool,)})]  # type: ignore[method-assign]
    folder = write_bundle(network, tmp_path / "bundle", networks=0, pte=True)
    copied.run(ALONE, "--runtime", "executorch", "--repeats", "2", "--out", "phone.json", cwd=folder)
    assert CostTable.load(folder / "phone.json", Toy().space).runtime["runtime"] == "executorch"


def test_nothing_is_left_where_a_part_cannot_be_written(tmp_path: Path) -> None:
    network = Toy()
    wrong = Part("stem on five channels", network.stem, (3, 4, 4), ())
    network.terms = lambda: [TermPlan((), {(): (wrong,)})]  # type: ignore[method-assign]
    with pytest.raises(RunError, match="stem on five channels"):
        write_bundle(network, tmp_path / "bundle", networks=0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "bundle").mkdir()
    with pytest.raises(UsageError, match="exists: choose another --bundle"):
        write_bundle(Toy(), tmp_path / "bundle", networks=0)


def test_the_script_is_one_file_and_leftovers_are_gone(tmp_path: Path) -> None:
    # As one that was killed left it, before archdial named who writes.
    killed = tmp_path / f".bundle.{'0' * 32}"
    killed.mkdir()
    os.utime(killed, (0, 0))
    folder = write_bundle(Toy(), tmp_path / "bundle", networks=0)
    assert list(tmp_path.iterdir()) == [folder]
    text = (folder / "measure.py").read_text(encoding="utf-8")
    assert "from archdial" not in text and "import archdial" not in text
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {Path(s["onnx"]).name for s in manifest["subjects"]} == {p.name for p in (folder / "parts").iterdir()}
