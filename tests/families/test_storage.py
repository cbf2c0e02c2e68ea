"""A family and a member on disk: what comes back, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from archdial.common import files
from archdial.common.documents import SEAL, sealed
from archdial.common.errors import RunError, UsageError
from archdial.common.folder_lock import locked
from archdial.families import storage, weights_file
from archdial.families.storage import load_family, load_member, save_family, save_member
from archdial.hypernet import make_hypernet
from archdial.networks.cells.operations import OPERATIONS, register_operation
from archdial.searching.predictor import ErrorPredictor
from tests.common.test_folder_lock import take_over
from tests.networks.examples import counted_table, inputs, tiny
from tests.toy import Toy


@pytest.fixture
def folder(toy: Toy, tmp_path: Path) -> Path:
    save_family(toy.family, tmp_path / "run")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edited(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_a_family_comes_back(toy: Toy, folder: Path) -> None:
    family, again = toy.family, load_family(folder)
    assert sorted(contents(folder)) == ["family.json", "weights.safetensors"]
    assert again.space == family.space
    assert again.archive == family.archive
    assert again.dial == family.dial
    assert (again.classes, again.column, again.info) == (family.classes, family.column, family.info)
    assert again.table == family.table
    assert again.calibration.equal(family.calibration)
    for name, value in family.network.state_dict().items():
        assert again.network.state_dict()[name].equal(value)
    images = inputs(family.network)
    for ask in (lambda f: f.at(0.3), lambda f: f.within(latency_ms=0.4), lambda f: f.within(params=300, flops=30_000)):
        one, other = ask(family), ask(again)
        assert one == other
        assert one.to_json() == other.to_json()
        assert one.build()(images).equal(other.build()(images))
    assert again.front() == family.front()


def test_saving_what_was_loaded_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    save_family(load_family(folder), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)


def test_what_views_speak_for_comes_back_and_is_what_members_are_compared_by(toy: Toy, tmp_path: Path) -> None:
    assert "judged" not in storage.family_json(toy.family)
    worst, best = (pick(toy.family.archive, key=lambda item: item.score) for pick in (min, max))
    judged = [replace(item, judged=0.97 if item == worst else item.score / 2) for item in toy.family.archive]
    save_family(replace(toy.family, archive=tuple(judged)), tmp_path)
    loaded = load_family(tmp_path)
    assert [(item, item.judged) for item in loaded.archive] == [(item, item.judged) for item in judged]
    limit = max(loaded.costs["flops"].of(item.architecture) for item in (worst, best))
    found = loaded.within(flops=limit)
    assert (found.architecture, found.score) == (worst.architecture, worst.score)
    assert toy.family.within(flops=limit).architecture != worst.architecture


@pytest.mark.parametrize(
    ("judged", "said"), [([0.5], "judged has 1 scores for"), ([1.5], "accuracy is 1.5: expected"), (["a"], "judged")]
)
def test_scores_of_views_that_do_not_fit(folder: Path, tmp_path: Path, judged: list[object], said: str) -> None:
    for name in ("family.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    value = json.loads((folder / "family.json").read_text())
    del value[SEAL]
    (tmp_path / "family.json").write_text(json.dumps(sealed({**value, "judged": judged})))
    with pytest.raises(UsageError, match=said):
        load_family(tmp_path)


def test_no_pickle_is_written(folder: Path) -> None:
    for content in contents(folder).values():
        assert not content.startswith((b"PK", b"\x80"))


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["family.json", "weights.safetensors"])
def test_truncated_files(folder: Path, name: str, keep: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(UsageError, match=name):
        load_family(folder)


def test_an_accuracy_of_one_digit_more(toy: Toy, folder: Path) -> None:
    accuracy = repr(toy.family.archive[3].accuracy)
    digit = next(d for d in "123456789" if d != accuracy[3])
    edited(folder, "family.json", accuracy, accuracy[:3] + digit + accuracy[4:])
    with pytest.raises(UsageError, match="was edited or damaged after it was written"):
        load_family(folder)


def test_edited_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UsageError, match="does not belong to its family"):
        load_family(folder)


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    (folder / "weights.safetensors").unlink()
    with pytest.raises(UsageError, match="no weights at"):
        load_family(folder)
    (folder / "family.json").unlink()
    with pytest.raises(UsageError, match="no family at"):
        load_family(folder)
    with pytest.raises(UsageError, match="no run at"):
        load_family(tmp_path / "nowhere")


def test_weights_of_another_run(toy: Toy, folder: Path, tmp_path: Path) -> None:
    value = toy.family.calibration.clone()
    try:
        toy.family.calibration[0, 0, 0, 0] += 1
        save_family(toy.family, tmp_path / "other")
    finally:
        toy.family.calibration.copy_(value)
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(UsageError, match="does not belong to its family"):
        load_family(folder)


def test_files_from_the_future_and_of_other_kinds(toy: Toy, folder: Path, tmp_path: Path) -> None:
    edited(folder, "family.json", '"version": 1,', '"version": 2,')
    with pytest.raises(UsageError, match="has version 2, this archdial reads version 1: update archdial"):
        load_family(folder)
    path = save_member(toy.family.at(0.3), tmp_path / "member")
    path.rename(path.with_name("family.json"))
    with pytest.raises(UsageError, match=r"has format .archdial\.member., expected 'archdial\.family'"):
        load_family(tmp_path / "member")


class Full(OSError):
    """No space left on device."""


@pytest.mark.parametrize("broken", ["save", "json_text"])
@pytest.mark.parametrize("saver", ["family", "member"])
def test_a_failed_save_leaves_the_older_files(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, saver: str
) -> None:
    family, target = toy.family, tmp_path / "run"

    def save(position: float) -> None:
        # So that what is saved differs from one time to the next.
        for module in family.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(position)  # type: ignore[union-attr]
        member = family.at(position)
        if saver == "family":
            save_family(family, target)
        else:
            save_member(member, target)

    save(10.0)
    before = contents(target)

    def fail(*args: object) -> None:
        raise Full("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(weights_file, broken, fail)
        with pytest.raises(Full):
            save(0.01)
    assert contents(target) == before
    (load_family if saver == "family" else load_member)(target)
    save(0.01)
    assert contents(target).keys() == before.keys()
    assert contents(target)["weights.safetensors"] != before["weights.safetensors"]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_a_save_that_ends_between_its_two_files_loses_neither_family(
    toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch, broken: bool, links: bool
) -> None:
    """Killed there, or stopped by a disk that fails; on file systems with and without links."""
    before, other = load_family(folder), replace(toy.family, calibration=toy.family.calibration[:8] + 1)

    def unable(path: Path, target: Path) -> None:
        raise OSError("no links here")

    def save(rename: Callable[[Path, Path], Path]) -> None:
        def stop(path: Path, target: Path) -> Path:
            if target.name == "family.json" and broken:
                raise OSError("disk failed")
            if target.name == "family.json":
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", stop)
            if not links:
                patch.setattr(Path, "hardlink_to", unable)
            save_family(other, folder)

    if broken:
        files_before = contents(folder)
        with pytest.raises(OSError, match="disk failed"):
            save(Path.replace)
        assert contents(folder) == files_before
    else:
        if not (child := os.fork()):
            try:
                save(Path.replace)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        assert (folder / "weights.safetensors").read_bytes() != (folder / weights_file.BEFORE).read_bytes()
    assert load_family(folder).calibration.equal(before.calibration)
    save_family(other, folder)
    assert load_family(folder).calibration.equal(other.calibration)
    assert sorted(contents(folder)) == ["family.json", "weights.safetensors"]


def test_weights_stay_as_closed_to_others_as_they_were(toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "weights.safetensors").chmod(0o600)
    monkeypatch.setattr(weights_file, "json_text", lambda value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_family(toy.family, folder)
    assert stat.S_IMODE((folder / "weights.safetensors").stat().st_mode) == 0o600


def test_an_interruption_after_both_files_keeps_the_new_ones(
    toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, unlink = replace(toy.family, calibration=toy.family.calibration[:8] + 1), Path.unlink

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(".family.json."):
            monkeypatch.undo()
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_family(other, folder)
    assert load_family(folder).calibration.equal(other.calibration)


@pytest.mark.parametrize("when", ["before", "between"])
def test_who_loses_the_folder_takes_nothing_from_the_winner(
    toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Whose weights may be those that are being replaced."""
    before, rename, save = load_family(folder), Path.replace, weights_file.save

    def saved(tensors: dict[str, torch.Tensor]) -> bytes:
        if when == "before":
            take_over(folder)
            (folder / weights_file.BEFORE).write_bytes(b"of the winner")
        return save(tensors)

    def renamed(path: Path, target: Path) -> Path:
        done = rename(path, target)
        if when == "between" and target.name == "weights.safetensors":
            take_over(folder)
        return done

    monkeypatch.setattr(weights_file, "save", saved)
    with pytest.raises(RunError, match="took over"), locked(folder, "a search"):
        monkeypatch.setattr(Path, "replace", renamed)
        save_family(replace(toy.family, calibration=toy.family.calibration[:8] + 1), folder)
    monkeypatch.undo()
    assert (folder / weights_file.BEFORE).exists()
    assert load_family(folder).calibration.equal(before.calibration)


def test_who_reads_while_both_files_are_replaced_reads_the_new_ones(
    toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read = replace(toy.family, calibration=toy.family.calibration[:8] + 1), storage.read_tensors

    def late(path: Path, sha256: str) -> dict[str, torch.Tensor]:
        monkeypatch.undo()
        save_family(other, folder)
        return read(path, sha256)

    monkeypatch.setattr(storage, "read_tensors", late)
    assert load_family(folder).calibration.equal(other.calibration)


def test_weights_that_were_being_replaced_are_those_of_the_file_that_is_there(toy: Toy, folder: Path) -> None:
    """A process killed after both renames left an older copy: it is not what the next one has to keep."""
    (folder / weights_file.BEFORE).write_bytes(b"older")
    with pytest.raises(Full), weights_file._kept(folder / "family.json"):
        assert (folder / weights_file.BEFORE).read_bytes() == (folder / "weights.safetensors").read_bytes()
        raise Full
    load_family(folder)


def test_nothing_is_left_where_a_first_save_fails(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise Full("disk full")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(Full):
        save_family(toy.family, tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_member_comes_back(toy: Toy, tmp_path: Path) -> None:
    member, images = toy.family.at(0.3), inputs(toy.family.network)
    path = save_member(member, tmp_path / "member")
    assert path == tmp_path / "member" / "architecture.json"
    module = load_member(tmp_path / "member")
    assert not module.training
    assert module(images).equal(member.build()(images))
    assert json.loads(path.read_text())["member"] == json.loads(json.dumps(member.to_json()))


def test_a_member_that_was_trained_on_comes_back(toy: Toy, tmp_path: Path) -> None:
    member, images = toy.family.at(0.01), inputs(toy.family.network)
    module = member.build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    save_member(member, tmp_path, module)
    assert load_member(tmp_path)(images).equal(module(images))
    assert not module(images).allclose(member.build()(images))


@pytest.mark.parametrize("name", ["architecture.json", "weights.safetensors"])
def test_damaged_members(toy: Toy, tmp_path: Path, name: str) -> None:
    save_member(toy.family.at(0.3), tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-7])
    with pytest.raises(UsageError, match=name):
        load_member(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match=r"no (member|weights) at"):
        load_member(tmp_path)


def test_an_architecture_that_was_edited(toy: Toy, tmp_path: Path) -> None:
    save_member(toy.family.at(10.0), tmp_path)
    edited(tmp_path, "architecture.json", '"normal/2<-0": "identity"', '"normal/2<-0": "none"')
    with pytest.raises(UsageError, match="was edited or damaged"):
        load_member(tmp_path)


@pytest.fixture
def own() -> Iterator[None]:
    register_operation("own_op")(lambda channels, stride: torch.nn.AvgPool2d(1, stride))
    yield
    OPERATIONS.pop("own_op", None)


def test_an_own_operation_must_be_registered_to_load(own: None, toy: Toy, tmp_path: Path) -> None:
    network = tiny(in_channels=1, classes=4, cells=1, operations=("identity", "own_op"))
    family = replace(
        toy.family,
        network=network,
        hypernet=make_hypernet("constant", network.space, 1),
        predictor=ErrorPredictor(network.space),
        table=counted_table(network),
        archive=(),
    )
    save_family(family, tmp_path)
    assert load_family(tmp_path).space == network.space
    del OPERATIONS["own_op"]
    with pytest.raises(UsageError, match="unknown operation 'own_op'"):
        load_family(tmp_path)


def test_a_fault_names_its_file_in_the_working_folder_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(folder, "family.json", '"column": "latency_ms"', '"column": "x. y"')
    value = json.loads((folder / "family.json").read_text())
    del value["sha256"]
    (folder / "family.json").write_text(json.dumps(sealed(value)))
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"^family\.json: unknown column"):
        load_family(".")
