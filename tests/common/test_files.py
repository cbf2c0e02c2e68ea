"""Result files are whole or not there."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from archdial.common.documents import read_json
from archdial.common.errors import UsageError
from archdial.common.files import (
    beside,
    replacing,
    replacing_all,
    write_atomically,
    write_bytes,
    write_json,
    write_text,
)
from archdial.common.leftovers import clear_leftovers, temporary_for
from archdial.common.process import Process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "file.json"
    value = {"λ": [1, 2.5, None], "name": "ü"}
    assert write_json(path, value) == path
    assert read_json(path, "file") == value
    assert names(path.parent) == ["file.json"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_refused(tmp_path: Path, number: float) -> None:
    path = write_json(tmp_path / "file.json", {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"new": number})
    assert read_json(path, "file") == {"old": 1}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "file", "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_nested_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    one, two = write_text(tmp_path / "one", "old"), write_text(tmp_path / "two", "old")
    with pytest.raises(OSError, match="disk full"), replacing(one) as first, replacing(two) as second:
        second.write_text("new")
        first.write_text("half")
        raise OSError("disk full")
    assert (one.read_text(), two.read_text()) == ("old", "old")
    with replacing(one) as first, replacing(two) as second:
        first.write_text("new")
        second.write_text("new")
        assert (one.read_text(), two.read_text()) == ("old", "old")
    assert (one.read_text(), two.read_text()) == ("new", "new")
    assert names(tmp_path) == ["one", "two"]


def test_files_are_as_open_to_others_as_any(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    path = write_text(tmp_path / "file", "text")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[1, 2]", b"3", b"\xff\xfe{", b"null"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"the family .*file\.json"):
        read_json(path, "family")


def test_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="no family at"):
            read_json(path, "family")


def test_every_prefix_of_a_file_is_damaged(tmp_path: Path) -> None:
    text = json.dumps({"a": [1, {"b": "c"}]})
    path = tmp_path / "file.json"
    for length in range(len(text)):
        path.write_text(text[:length])
        with pytest.raises(UsageError, match="damaged"):
            read_json(path, "file")


def test_several_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / "one", tmp_path / "new" / "two"]
    with replacing_all(paths) as folder:
        (folder / "one").write_text("old")
        (folder / "two").write_text("old")
        (folder / "by the way").write_text("not asked for")
        assert not any(path.exists() for path in paths)
    assert names(tmp_path / "new") == ["one", "two"]
    with pytest.raises(FileNotFoundError, match="two"), replacing_all(paths) as folder:
        (folder / "one").write_text("new")
    with pytest.raises(OSError, match="disk full"), replacing_all(paths) as folder:
        (folder / "one").write_text("new")
        (folder / "two").write_text("new")
        raise OSError("disk full")
    assert [path.read_text() for path in paths] == ["old", "old"]
    assert names(tmp_path / "new") == ["one", "two"]


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size`, as if the disk was full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


BIG = {"a": torch.zeros(50_000)}
WRITERS: dict[str, Callable[[Path], object]] = {
    "torch": lambda path: torch.save(BIG, path),
    "safetensors": lambda path: save_file(BIG, path),
    "bytes": lambda path: path.write_bytes(bytes(200_000)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path, writer: str) -> None:
    path = write_bytes(tmp_path / "file", b"old")
    with full_at(100_000), pytest.raises(OSError) as told:
        write_atomically(path, WRITERS[writer])
    assert told.value.filename == str(path) and told.value.strerror == "File too large"
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_under_several_files(tmp_path: Path, writer: str) -> None:
    paths = [write_bytes(tmp_path / name, b"old") for name in ("one", "two")]
    with full_at(100_000), pytest.raises(OSError) as told, replacing_all(paths) as folder:
        write_json(folder / "two", {})
        WRITERS[writer](folder / "one")
    assert told.value.filename == str(paths[0])
    assert [path.read_bytes() for path in paths] == [b"old", b"old"] and names(tmp_path) == ["one", "two"]


def test_an_error_names_the_file_that_it_is_about(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told, replacing_all([tmp_path / "one", tmp_path / "two"]) as folder:
        (folder / "one").touch()
    assert told.value.filename == str(tmp_path / "two")
    with pytest.raises(FileNotFoundError) as told, beside(tmp_path / "bundle") as folder:
        (folder / "parts" / "one").touch()
    assert told.value.filename == str(tmp_path / "bundle" / "parts" / "one")


def test_what_is_no_fault_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError), replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert names(tmp_path) == []


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_files_have_one_mode_whoever_writes_them(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        paths = [write_atomically(tmp_path / name, write) for name, write in WRITERS.items()]
        with replacing_all([tmp_path / "all"]) as folder:
            save_file(BIG, folder / "all")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (*paths, tmp_path / "all")} == {0o666 & ~mask}


@pytest.fixture(scope="module")
def ended() -> Process:
    """A process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return replace(Process.here(), pid=process.pid, start=1)


def left(path: Path, process: Process, hours: float = 0.0) -> Path:
    """Leave a temporary file for `path`, so many hours old, of `process`."""
    own = Process.here()
    name = temporary_for(path).name.replace(
        f".{own.place}.{own.pid}.{own.start}.", "." + ".".join(map(str, vars(process).values())) + "."
    )
    return aged(path.with_name(name), hours)


def aged(path: Path, hours: float) -> Path:
    path.touch()
    os.utime(path, (time.time() - 3600 * hours,) * 2)
    return path


def test_what_killed_processes_left_is_cleared_and_nothing_else(tmp_path: Path, ended: Process) -> None:
    file, elsewhere = tmp_path / "file", replace(ended, place="0123456789ab")
    cleared = [left(file, ended), left(file, elsewhere, 25), aged(tmp_path / f".file.{'0' * 32}", 1.1)]
    kept = [
        left(file, Process.here(), 100),
        left(file, elsewhere, 23),
        left(tmp_path / "another", ended),
        aged(tmp_path / f".file.{'0' * 32}"[:-1], 100),
        aged(tmp_path / f".file.{'1' * 32}", 0.9),
        aged(tmp_path / f".another.{'0' * 32}", 100),
        aged(tmp_path / ".file.mine", 100),
        aged(tmp_path / left(file, ended).name[1:], 100),
    ]
    folder = left(tmp_path / "bundle", ended)
    folder.unlink()
    (folder / "parts").mkdir(parents=True)
    assert all(path.exists() for path in (*cleared, *kept))
    write_text(file, "text")
    with beside(tmp_path / "bundle"):
        pass
    assert names(tmp_path) == sorted([file.name, *(path.name for path in kept)])


def test_what_cannot_be_cleared_stops_nobody(tmp_path: Path, ended: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [left(tmp_path / "file", ended), left(tmp_path / "file", ended)]

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        clear_leftovers(tmp_path, ["file"])
        clear_leftovers(tmp_path / "none", ["file"])
    assert names(tmp_path) == sorted(path.name for path in paths)
