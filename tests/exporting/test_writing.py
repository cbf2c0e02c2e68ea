"""What is refused, and what is left when an export fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archdial.common.errors import RunError, UsageError
from archdial.exporting import FORMATS, Format, export
from tests.exporting.examples import Twin, linear, plain
from tests.networks.graph.examples import Switched
from tests.toy import Toy


@pytest.fixture(autouse=True)
def twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, Twin.name, Twin)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.slow
def test_all_files_are_replaced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "member.twin"
    export(plain(linear()), path, "twin")
    first = contents(path.parent)
    assert sorted(first) == ["member.other", "member.twin", "member.twin.json"]
    monkeypatch.setattr(Twin, "wrote", "newer")
    exported = export(plain(linear()), str(path), "twin")
    second = contents(path.parent)
    assert second.keys() == first.keys()
    assert second["member.twin"] == second["member.other"] == "newer"
    assert exported.bytes == 10


class Nan(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :3] / 0


def fails(*args: Any) -> Any:
    raise NotImplementedError("no such operator\n  and where")


def full(*args: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("change", "member", "error", "message"),
    [
        ({"off": 1.1e-4}, linear(), RunError, "outputs are 0.00011 apart, expected at most 0.0001 apart"),
        ({"off": -1.0}, linear(), RunError, "outputs are 1 apart"),
        ({"off": float("nan")}, linear(), RunError, "not finite"),
        ({"off": torch.zeros(2, 1, 3)}, linear(), RunError, "of another shape"),
        ({}, Nan(), RunError, "not finite"),
        (
            {"load": lambda self, path: fails},
            linear(),
            RunError,
            r"twin cannot run the file .*no such operator and where\)",
        ),
        (
            {"load": fails},
            linear(),
            RunError,
            r"'twin' cannot represent this member \(NotImplementedError: no such operator and where\)",
        ),
        ({"write": fails}, linear(), RunError, "try another format"),
        ({"write": full}, linear(), OSError, "No space left"),
        ({"write": lambda self, module, shape, path: path.touch()}, linear(), OSError, r"member\.other"),
    ],
)
def test_a_failure_leaves_everything_as_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    older: bool,
    change: dict[str, Any],
    member: nn.Module,
    error: type[Exception],
    message: str,
) -> None:
    path = tmp_path / "member.twin"
    if older:
        export(plain(linear()), path, "twin")
    before = contents(tmp_path)
    for name, value in change.items():
        monkeypatch.setattr(Twin, name, value)
    with pytest.raises(error, match=message):
        export(plain(member), path, "twin")
    assert contents(tmp_path) == before


def test_a_difference_within_the_tolerance_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Twin, "off", 5e-5)
    exported = export(plain(linear()), tmp_path / "member.twin", "twin")
    assert exported.largest_difference == pytest.approx(5e-5, rel=0.1)


def test_a_module_that_no_format_can_hold(tmp_path: Path) -> None:
    built = plain(nn.Sequential(nn.Flatten(), Switched()))
    with pytest.raises(RunError, match="'pt2' cannot represent this member"):
        export(built, tmp_path / "member.pt2", "pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("member.onnx", "onx", "unknown format 'onx': did you mean 'onnx'"),
        ("member.onnx", "tflite", "unknown format 'tflite': known: pt2, onnx, openvino, executorch"),
        ("member.pt", "pt2", r"files in the format 'pt2' end in \.pt2: use member\.pt2"),
        ("member", "openvino", r"end in \.xml: use member\.xml"),
        ("member.onnx", "executorch", r"end in \.pte"),
    ],
)
def test_wrong_names(tmp_path: Path, name: str, format: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(plain(linear()), tmp_path / name, format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [kind for kind in FORMATS.values() if kind.libraries])
def test_a_missing_library_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Format]
) -> None:
    for library in kind.libraries:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            message = rf'{kind.name!r} needs {library}, which is missing: pip install "archdial\[{kind.extra}\]"'
            with pytest.raises(UsageError, match=message):
                export(plain(linear()), tmp_path / f"member{kind.suffix}", kind.name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_member_of_a_family_is_exported_with_the_weights_it_was_trained_to(toy: Toy, tmp_path: Path) -> None:
    member = toy.family.at(10.0)
    module = member.build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    exported = member.export(tmp_path / "tuned.pt2", "pt2", module)
    assert exported.record["member"] == member.to_json()
    assert exported.record["classes"] == list(toy.family.classes)
    assert exported.record["normalize"]["mean"] == [0.3] and exported.record["normalize"]["std"] == [0.25]
    images = toy.family.normalize(toy.family.calibration[:3])
    given = torch.export.load(exported.path).module()(images)
    torch.testing.assert_close(given, module(images), atol=1e-4, rtol=0)
    assert (given - member.build()(images)).abs().max() > 1e-2
