"""One folder, one run: the second command into it is refused; a folder that cannot be written to, before the work."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archdial.cli.picking import new_folder
from archdial.common import folder_lock
from archdial.common.errors import UsageError
from archdial.common.leftovers import temporary_for
from archdial.common.lock_file import NAME
from archdial.runs.beginning import new_run
from archdial.runs.recipe import load_recipe
from archdial.runs.search_run import search_run
from tests.cli.conftest import Searched, call

pytestmark = pytest.mark.slow


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder` as another process would; a thread of this one is as much refused."""
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with folder_lock.locked(folder, "a search"):
            begun.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != NAME}


@pytest.mark.parametrize(
    "words",
    [
        ["search", "RECIPE", "--out", "NEW"],
        ["search", "RECIPE", "--out", "BEGUN", "--resume"],
        ["demo", "--out", "NEW"],
        ["add-device", "DONE", "pi", "DONE/table.json"],
        ["refine", "DONE", "--members", "1"],
        ["finetune", "DONE", "--at", "0.1", "--out", "NEW"],
        ["pick", "DONE", "--at", "0.1", "--out", "NEW"],
    ],
    ids=lambda words: "-".join([words[0], *words[-1:]]),
)
def test_the_second_is_refused(searched: Searched, copied: Path, tmp_path: Path, words: list[str]) -> None:
    begun, new = tmp_path / "begun", tmp_path / "new"
    shutil.copytree(copied, begun)
    (begun / "family.json").unlink()
    before = files(tmp_path)
    places = {"RECIPE": searched.recipe, "NEW": new, "BEGUN": begun, "DONE": copied}
    typed = [str(places.get(word, word.replace("DONE", str(copied)))) for word in words]
    busy = new if "NEW" in words else begun if "BEGUN" in words else copied
    with held(busy):
        answer = call(*typed)
    assert answer.status == 2
    assert f"{busy} is in use by a search, process {os.getpid()} on " in answer.sentence
    assert files(tmp_path) == before and not new.exists()


def test_a_run_that_was_begun_meanwhile_is_left_alone(
    searched: Searched, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path / "new", load_recipe(str(searched.recipe)))

    @contextmanager
    def after_another(folder: Path, what: str) -> Iterator[None]:
        shutil.copytree(copied, folder)
        with folder_lock.locked(folder, what):
            yield

    monkeypatch.setattr("archdial.runs.search_run.locked", after_another)
    with pytest.raises(UsageError, match=r"new already contains a run \(config.json\)"):
        search_run(run)


def test_a_member_that_was_saved_meanwhile_is_left_alone(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder_lock.locked

    @contextmanager
    def after_another(folder: Path, what: str) -> Iterator[None]:
        folder.mkdir()
        (folder / "architecture.json").write_text("theirs")
        with before(folder, what):
            yield

    monkeypatch.setattr(folder_lock, "locked", after_another)
    answer = call("pick", searched.folder, "--at", "0.1", "--out", tmp_path / "m")
    assert answer.status == 2 and "m is not empty" in answer.sentence
    assert [path.read_text() for path in (tmp_path / "m").iterdir()] == ["theirs"]


def test_the_lock_of_a_killed_command_is_no_run_and_no_member(searched: Searched, tmp_path: Path) -> None:
    for folder in (tmp_path / "run", tmp_path / "member"):
        folder.mkdir()
        lock = folder_lock.Holder.here("a search")
        assert folder_lock.create(folder / NAME, lock)
    answer = call("pick", searched.folder, "--at", "0.1", "--out", tmp_path / "member")
    assert answer.status == 0, answer.err
    assert sorted(path.name for path in (tmp_path / "member").iterdir()) == ["architecture.json", "weights.safetensors"]
    new_run(tmp_path / "run", load_recipe(str(searched.recipe)))


@pytest.mark.parametrize("command", ["evaluate", "compare", "experiments", "report", "add-device", "refine"])
def test_a_folder_that_may_not_be_written_to_is_told_before_the_work(
    copied: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (copied / "members.json").write_text("{}")
    access = os.access
    # Root may do everything, so that permissions cannot be taken from it.
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (mode & os.W_OK and Path(path) == copied) and access(path, mode)
    )
    monkeypatch.setattr(
        "archdial.runs.opening.open_family", lambda folder, *args, **more: pytest.fail("work was begun")
    )
    more = ["pi", copied / "table.json"] if command == "add-device" else []
    before = files(copied)
    answer = call(command, copied, *more)
    assert answer.status == 2
    assert f"{copied} is not writable: fix its permissions, or copy the run" in answer.sentence
    assert files(copied) == before


def test_what_a_killed_command_left_in_a_run_goes_with_the_next(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archdial.common import process

    (copied / "members.json").write_text("{}")
    left = [temporary_for(copied / name) for name in ("checkpoint.pt", "members.json")]
    for path in left:
        path.touch()
    monkeypatch.setattr(process.Process, "gone", True)
    call("report", copied)
    assert not any(path.exists() for path in left)


def test_a_full_disk_ends_a_search_with_a_sentence(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    table = searched.folder / "table.json"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (searched.folder / "checkpoint.pt").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limit[1]))
    try:
        answer = call("search", searched.recipe, "--out", tmp_path / "run", "--table", table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert answer.status == 1
    assert f"file too large ({tmp_path}/run/checkpoint.pt): free up space" in answer.sentence
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (MemoryError(), "out of memory: close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out of memory"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (
            UnicodeEncodeError("ascii", "aλb", 1, 2, "ordinal not in range"),
            r"'\u03bb' cannot be written in the locale's encoding, ascii",
        ),
    ],
)
def test_what_a_machine_lacks_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, part: str) -> None:
    def fail() -> Any:
        raise error

    monkeypatch.setattr("archdial.runs.recipe_file.recipe_names", fail)
    answer = call("recipes")
    assert answer.status == 1 and part in answer.sentence and "unexpected" not in answer.sentence


def test_a_training_killed_between_its_two_files_goes_on(tmp_path: Path) -> None:
    for name in ("checkpoint.pt", "weights.safetensors"):
        (tmp_path / name).write_bytes(b"")
    with new_folder(tmp_path, "archdial finetune", resume=True):
        pass
    (tmp_path / "architecture.json").touch()
    with pytest.raises(UsageError, match="no training to resume"), new_folder(tmp_path, "a test", resume=True):
        pass
