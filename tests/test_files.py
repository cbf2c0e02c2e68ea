"""Result files are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archdial.errors import UsageError
from archdial.files import read_json, replacing, replacing_all, write_atomically, write_json, write_text


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
