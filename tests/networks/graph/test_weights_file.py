"""Files of weights: read by what is in them, and what is none is told by a sentence; no code in them is run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from archdial.common.errors import UsageError
from archdial.networks.graph.state_dicts import AVERAGED, PLAIN, found_in
from archdial.networks.graph.weights_file import read_state


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


STATE = model().state_dict()


@pytest.mark.filterwarnings("ignore")
def test_archives_with_code_in_them(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.jit.save(torch.jit.script(model()), path)
    with pytest.raises(UsageError, match=r"is a TorchScript archive.*torch.jit.load"):
        read_state(path)
    torch.export.save(torch.export.export(model().eval(), (torch.zeros(2, 1, 3, 3),)), path)
    with pytest.raises(UsageError, match=r"a program saved by torch.export.*torch.export.load"):
        read_state(path)


def of_kind(kind: str) -> bytes:
    made = io.BytesIO()
    torch.save(STATE, made, _use_new_zipfile_serialization=kind != "older")
    return save(dict(STATE)) if kind == "safetensors" else made.getvalue()


@pytest.mark.parametrize("kind", ["archive", "older", "safetensors"])
def test_files_that_are_cut_off(tmp_path: Path, kind: str) -> None:
    path, data = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt"), of_kind(kind)
    for length in (30, len(data) // 4, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:length])
        with pytest.raises(UsageError, match="is truncated: download, copy or save it again"):
            read_state(path)


@pytest.mark.parametrize("kind", ["archive", "older", "safetensors"])
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_files_are_read_by_what_is_in_them(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(of_kind(kind))
    found = read_state(path).tensors
    assert all(found[name].equal(value) for name, value in STATE.items())


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UsageError, match=r"weights .*: the file is a Git LFS pointer.*run `git lfs pull`"):
        read_state(path)
    path.write_bytes(bytes(range(255, 0, -1)))
    with pytest.raises(UsageError, match="are damaged"):
        read_state(path)
    with pytest.raises(UsageError, match=r"no weights at .*which is a folder: pass the file in it"):
        read_state(tmp_path)


def test_an_average_in_nests_that_share_one_is_no_work_without_an_end() -> None:
    value: dict[str, Any] = {str(number): number for number in range(10_000)}
    for _ in range(6):
        value = dict.fromkeys((*PLAIN, *AVERAGED), value)
    assert found_in(value) is None
    value["model"] = value
    assert found_in(value) is None
