"""The suite that every format passes, for members of cells and of gates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archdial.exporting import FORMATS, TOLERANCE, Format, export, make_format
from archdial.exporting.built import BuiltMember
from tests.exporting.examples import OPERATIONS, linear, member, plain

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators_once")]


@pytest.fixture(params=FORMATS)
def chosen(request: pytest.FixtureRequest) -> Format:
    return make_format(request.param)


@pytest.fixture(scope="module", params=["cells", "gates"])
def built(request: pytest.FixtureRequest) -> BuiltMember:
    return member(request.param)


def images(built: BuiltMember, batch: int) -> Tensor:
    """Others than those of the export."""
    return torch.randn(batch, *built.input_shape, generator=torch.Generator().manual_seed(batch + 100))


def test_members_come_back_and_are_left_as_they_were(
    chosen: Format, built: BuiltMember, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    before = {name: value.clone() for name, value in built.module.state_dict().items()}
    strides = [value.stride() for value in built.module.state_dict().values()]
    path = tmp_path / f"model{chosen.suffix}"
    exported = export(built, path, chosen.name)
    # Exporters have much to say to their own developers.
    assert capfd.readouterr() == ("", "")

    record = json.loads((path.parent / f"{path.name}.json").read_text())
    assert record == exported.record
    sizes = {file.name: file.stat().st_size for file in path.parent.iterdir()}
    del sizes[f"{path.name}.json"]
    assert record["files"] == sizes
    assert exported.bytes == sum(sizes.values()) > 4 * sum(p.numel() for p in built.module.parameters())
    assert record["comparison"]["largest_difference"] <= TOLERANCE
    assert record["output"]["shape"][1] == len(record["classes"])
    assert record["latency"]["latency_ms"] > 0

    run = make_format(chosen.name).load(path)
    for batch in (1, 3, 5) if chosen.any_batch else (1,):
        expected = built.module(images(built, batch))
        torch.testing.assert_close(run(images(built, batch)), expected, atol=TOLERANCE, rtol=0)

    state = built.module.state_dict()
    assert not built.module.training and all(p.requires_grad for p in built.module.parameters())
    assert state.keys() == before.keys() and all(value.equal(before[name]) for name, value in state.items())
    assert [value.stride() for value in state.values()] == strides


def test_the_member_of_cells_runs_every_operation() -> None:
    cells = member("cells")
    taken = {option for option in cells.figures["architecture"].values() if option != "none"}
    assert taken == set(OPERATIONS)
    names = "".join(name for name, _ in cells.module.named_modules())
    assert all(f"options.{name}" in names for name in taken)
    modules = list(cells.module.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) and not module.affine for module in modules) >= 2
    dilations = {module.dilation for module in modules if isinstance(module, nn.Conv2d)}
    assert dilations == {(1, 1), (2, 2)}


def test_a_batch_of_two_is_an_error_where_the_format_takes_one_image(tmp_path: Path) -> None:
    built = plain(linear())
    exported = export(built, tmp_path / "member.pte", "executorch")
    assert exported.record["input"]["shape"] == [1, 1, 2, 2]
    run = make_format("executorch").load(exported.path)
    assert run(images(built, 1)).shape == (1, 3)
    with pytest.raises(RuntimeError):
        run(images(built, 2))
