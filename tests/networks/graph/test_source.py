"""Weights from a file: what is no state dict of this network is told by a sentence, and nothing is loaded."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from archdial.common.errors import Notice, UsageError
from archdial.networks.graph.source import load_weights, save_weights


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"0.weight": torch.rand(2, 3).to_sparse()}, "0.weight is sparse, quantised or without values"),
        ({"0.weight": torch.rand(2, 3, device="meta")}, "0.weight is sparse, quantised or without values"),
        ({"0.weight": torch.rand(2, 3).to(torch.complex64)}, "0.weight is torch.complex64, expected torch.float32"),
        ({"0.weight": torch.ones(2, 3, dtype=torch.int64)}, "0.weight is torch.int64, expected torch.float32"),
        ({"0.weight": torch.rand(3, 2)}, r"0.weight has shape \(3, 2\), expected \(2, 3\)"),
        ({"0.bias": torch.tensor([1.0, float("nan")])}, "0.bias contains NaN or infinity"),
        ({"0.bias": torch.tensor([1.0, 1e300], dtype=torch.float64)}, "0.bias contains NaN or infinity"),
        ({"0.bias": torch.tensor([1.0, float("nan")]).to(torch.float8_e4m3fn)}, "0.bias contains NaN or infinity"),
        ({"0.bias": 1.0}, "contain no state dict"),
        ({"x": 0, 3: torch.rand(2)}, "contain no state dict"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else next(iter(value)),
)
def test_weights_that_are_none_of_this_model(tmp_path: Path, change: dict[Any, Any], match: str) -> None:
    own = model()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = tmp_path / "weights.pt"
    torch.save({**model().state_dict(), **change}, path)
    with pytest.raises(UsageError, match=match):
        load_weights(own, path)
    assert all(value.equal(before[name]) for name, value in own.state_dict().items())


@pytest.mark.filterwarnings("ignore::archdial.common.errors.Notice")
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "nested.pt"])
def test_weights_come_back(tmp_path: Path, name: str) -> None:
    given, path = model(), tmp_path / name
    if path.suffix == ".safetensors":
        save_weights(given, path)
    else:
        state = given.half().state_dict()
        torch.save({"state_dict": state} if name == "nested.pt" else state, path)
    loaded = load_weights(model(), path).state_dict()
    assert all(loaded[key].equal(value.to(loaded[key].dtype)) for key, value in given.state_dict().items())


def deeper(count: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, count))


def given() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {name: torch.rand_like(v) if v.is_floating_point() else v + 7 for name, v in deeper().state_dict().items()}


def behind(prefix: str, state: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in (state or given()).items()}


def halved(kind: torch.dtype = torch.float16) -> dict[str, Tensor]:
    return {name: value.to(kind) if value.is_floating_point() else value for name, value in given().items()}


def loaded(path: Path, model: nn.Module | None = None) -> tuple[nn.Module, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = load_weights(model or deeper(), path)
    assert all(one.category is Notice for one in said)
    return found, [str(one.message).replace(str(path), "FILE") for one in said]


def same(model: nn.Module, expected: dict[str, Tensor]) -> None:
    found = model.state_dict()
    assert all(found[name].equal(value.to(found[name].dtype)) for name, value in expected.items())


ZEROS = {name: torch.zeros_like(value) for name, value in given().items()}
NAMES = ("state_dict", "model", "model_state_dict", "net", "network", "module")
AVERAGES = ("ema", "model_ema", "ema_state_dict")
NESTED: dict[str, Any] = {
    **{name: {"epoch": 3, name: given()} for name in NAMES},
    "twice": {"state_dict": {"model": given()}},
    "twice, other names": {"model": {"state_dict": behind("module.")}, "epoch": 3},
    "beside what trains": {
        "model": behind("module."),
        "optimizer": torch.optim.AdamW(deeper().parameters()).state_dict(),
        "schedule": torch.optim.lr_scheduler.MultiStepLR(torch.optim.SGD(deeper().parameters()), [1, 2]).state_dict(),
        "device": torch.device("cuda:0"),
    },
}


@pytest.mark.parametrize("name", NESTED)
def test_weights_are_found_under_the_names_that_programs_give_them(tmp_path: Path, name: str) -> None:
    torch.save(NESTED[name], tmp_path / "w.pt")
    model, said = loaded(tmp_path / "w.pt")
    same(model, given())
    assert not said


@pytest.mark.parametrize("name", AVERAGES)
def test_an_average_is_taken_where_there_is_nothing_else_and_that_is_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({name: behind("module."), "model": None}, path)
    model, said = loaded(path)
    same(model, given())
    assert said == ["FILE contains only a running average (EMA) of the weights, which was loaded"]
    torch.save({name: ZEROS, "state_dict": given()}, path)
    model, said = loaded(path)
    same(model, given())
    assert said == ["loaded the weights from FILE, not their running average (EMA); to load that, save it alone"]


PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "module._orig_mod.", "model.module.")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_are_recognised(tmp_path: Path, prefix: str, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    state = behind(prefix)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    model, said = loaded(path)
    same(model, given())
    assert not said


def test_a_prefix_that_nearly_all_have_and_one_that_the_model_has_too(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(torch.optim.swa_utils.AveragedModel(deeper()).state_dict(), path)
    assert loaded(path)[1] == ["ignored 1 key of FILE that the model does not have: n_averaged"]
    own = nn.ModuleDict({"model": nn.ModuleDict({"net": deeper()})})
    for prefix in ("model.net.", "module.model.net."):
        torch.save(behind(prefix), path)
        same(loaded(path, own)[0], behind("model.net."))


def test_safetensors_with_two_networks_in_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({**behind("ema.", ZEROS), **behind("model.", halved())}, path)
    model, said = loaded(path)
    same(model, halved())
    assert said[0].startswith("ignored 9 keys of FILE that the model does not have: ema.")
    assert said[1:] == ["cast 8 of 9 tensors of FILE from torch.float16 to torch.float32"]
    save_file(behind("model_ema.module."), path)
    assert loaded(path)[1] == ["FILE contains only a running average (EMA) of the weights, which was loaded"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_another_precision_is_cast_and_that_is_said(tmp_path: Path, kind: torch.dtype) -> None:
    torch.save(halved(kind), tmp_path / "w.pt")
    model, said = loaded(tmp_path / "w.pt")
    same(model, halved(kind))
    assert said == [f"cast 8 of 9 tensors of FILE from {kind} to torch.float32"]


def test_what_the_model_has_not_is_passed_over_and_named(tmp_path: Path) -> None:
    more = {"total_ops": torch.ones(1), "3.total_params": torch.ones(1), "aux\x1b.weight": torch.ones(2)}
    torch.save({**given(), **more}, tmp_path / "w.pt")
    model, said = loaded(tmp_path / "w.pt")
    same(model, given())
    named = "total_ops, 3.total_params, aux\\x1b.weight"
    assert said == [f"ignored 3 keys of FILE that the model does not have: {named}"]


def test_checkpoints_of_torch_that_counted_no_batches(tmp_path: Path) -> None:
    older = {name: value for name, value in given().items() if not name.endswith("num_batches_tracked")}
    torch.save(older, tmp_path / "w.pt")
    model, said = loaded(tmp_path / "w.pt")
    same(model, older)
    assert model.state_dict()["1.num_batches_tracked"] == 0
    assert not said


@pytest.mark.parametrize("older", [True, False])
def test_checkpoints_that_were_saved_on_a_gpu(tmp_path: Path, older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pt"
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    torch.save({"state_dict": given()}, path, _use_new_zipfile_serialization=not older)
    monkeypatch.undo()
    data = path.read_bytes()
    assert b"cuda:0" in data
    if older:
        # As torch names them whose storages were classes of their own.
        path.write_bytes(data.replace(b"ctorch\nFloatStorage", b"ctorch.cuda\nFloatStorage"))
    model, said = loaded(path)
    same(model, given())
    assert not said
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_a_wrapped_model_takes_the_weights_of_the_one_within(tmp_path: Path, wrap: Any) -> None:
    for prefix in ("", "module."):
        model = deeper()
        torch.save(behind(prefix), tmp_path / "w.pt")
        load_weights(wrap(model), tmp_path / "w.pt")
        same(model, given())


class Tied(nn.Module):
    """Embeddings that are the weights of the head too, as language models have them."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.lm_head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
        self.lm_head.weight = self.wte.weight


@pytest.mark.parametrize("name", ["wte.weight", "lm_head.weight"])
def test_what_is_tied_may_stand_under_one_of_its_names(tmp_path: Path, name: str) -> None:
    path, value = tmp_path / "w.safetensors", torch.rand(5, 4)
    save_file({name: value}, path)
    own = Tied()
    assert loaded(path, own)[1] == []
    same(own, {"wte.weight": value, "lm_head.weight": value})
    assert own.lm_head.weight is own.wte.weight
    save_file({"other": value}, path)
    with pytest.raises(UsageError, match=r"missing wte.weight, lm_head.weight \(2 of 2 keys\); unknown other \(1 of 1"):
        loaded(path, own)


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module.", "_orig_mod.module."])
@pytest.mark.parametrize("before", ["", "module.", "model."])
def test_wrappers_of_a_part_of_the_network_are_taken_off_its_names(tmp_path: Path, before: str, wrapper: str) -> None:
    own = nn.ModuleDict({"body": deeper(), "head": deeper()})
    for parts in (("body",), ("body", "head")):
        wrapped = {f"{part}.{wrapper if part in parts else ''}" for part in own}
        torch.save({name: v for part in wrapped for name, v in behind(before + part).items()}, tmp_path / "w.pt")
        model, said = loaded(tmp_path / "w.pt", own)
        same(model, {**behind("body."), **behind("head.")})
        assert not said


def test_names_of_wrappers_that_are_the_networks_own_stay(tmp_path: Path) -> None:
    own = nn.ModuleDict({"module": deeper(), "body": nn.ModuleDict({"module": deeper()})})
    expected = {**behind("module."), **behind("body.module.", ZEROS)}
    for state in (expected, behind("_orig_mod.", expected), {**behind("module."), **behind("body.", ZEROS)}):
        torch.save(state, tmp_path / "w.pt")
        model, said = loaded(tmp_path / "w.pt", own)
        same(model, expected)
        assert not said
    torch.save({**expected, **behind("module._orig_mod.", ZEROS)}, tmp_path / "w.pt")
    model, said = loaded(tmp_path / "w.pt", own)
    same(model, expected)
    assert len(said) == 1 and "ignored 9 keys" in said[0]


def without(state: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name not in names}


WRONG: dict[str, tuple[Any, str]] = {
    "missing": (
        {**without(given(), "0.bias", "1.bias", "1.weight", "3.bias"), "q": torch.ones(1)},
        r"missing 0.bias, 1.weight, 1.bias … \(4 of 9 keys\); unknown q \(1 of 6 keys\); pass the weights",
    ),
    "another head": (
        deeper(1000).state_dict(),
        r"3.weight has shape \(1000, 4\), expected \(2, 4\): its head has 1000 outputs instead of 2; "
        "create the model with 1000, or pass weights trained with 2",
    ),
    "another width": ({**given(), "0.weight": torch.ones(8, 2, 3, 3)}, r"0.weight has shape .*: pass the weights of"),
    "more layers": ({**given(), "4.weight": torch.ones(2, 2)}, r"unknown 4.weight .*deeper network"),
    "under a name of its own": ({"generator": given(), "epoch": 3}, r"no state dict, but generator \(dict\), epoch"),
    "a list": ([given()], "no state dict, but a list"),
    "nothing": ({}, "no state dict, but nothing"),
    "a module": (deeper(), r"without running code: they contain a whole object.*Sequential.*only model.state_dict\(\)"),
    "a module within": ({"model": deeper()}, r"without running code: they contain more than tensors .*Sequential"),
    "arguments": (
        {"model": given(), "args": argparse.Namespace(lr=0.1)},
        r"without running code: they contain more than tensors \(argparse.Namespace\)",
    ),
}


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_told_with_its_fix(tmp_path: Path, name: str, older: bool) -> None:
    value, match = WRONG[name]
    torch.save(value, tmp_path / "w.pt", _use_new_zipfile_serialization=not older)
    with pytest.raises(UsageError, match=match):
        loaded(tmp_path / "w.pt")
