"""JSON documents from outside: limits, and the seal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archdial.common import documents
from archdial.common.documents import DEEPEST, check_seal, digest, is_version, parse_json, read_bytes, read_json, sealed
from archdial.common.errors import UsageError

VALUE = {"b": [1, 2.5, "ü"], "a": {"deep": None}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text(json.dumps(VALUE, ensure_ascii=False), encoding="utf-8")
    assert read_json(tmp_path / "file.json", "file") == VALUE


def test_a_mark_of_utf_8_is_no_damage() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "it") == {"a": 1}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", r"it is damaged \(Expecting value"),
        (b'{"a": 1', "it is damaged"),
        (b'{"a": 1} 2', "it is damaged"),
        (b"{'a': 1}", "it is damaged"),
        (b'{"a": NaN}', r"it contains NaN, but JSON allows only finite numbers"),
        (b"[-Infinity]", r"it contains -Infinity"),
        (b"[1e999]", r"it contains 1e999"),
        (b'{"a": {"b": 1, "b": 1}}', r"the key 'b' appears twice in one object"),
        (b'"\xed\xa0\x80"', "it is damaged"),
        ('{"a": 1}'.encode("utf-16"), "it is damaged"),
    ],
)
def test_what_is_no_json(data: bytes, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_json(data, "it")


def test_depth() -> None:
    whole = b"[" * DEEPEST + b"]" * DEEPEST
    assert parse_json(whole, "it")
    with pytest.raises(UsageError, match=f"it is nested more than {DEEPEST} levels deep: create it again"):
        parse_json(b"[" + whole + b"]", "it")


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(UsageError, match=r"no table at .*file\.json: pass an existing file"):
        read_json(path, "table")
    path.write_text("[1]")
    with pytest.raises(UsageError, match=r"holds a list, expected a JSON object"):
        read_json(path, "table")
    with pytest.raises(UsageError, match=r"has 3 bytes, expected at most 2"):
        read_bytes(path, "table", largest=2)
    assert read_bytes(path, "table", largest=3) == b"[1]"


def test_the_seal_knows_every_change_but_the_order_of_keys() -> None:
    assert digest(VALUE) == digest(dict(reversed(VALUE.items())))
    others = [{**VALUE, "a": {}}, {**VALUE, "b": [1, 2.5]}, {**VALUE, "b": [2.5, 1, "ü"]}, {**VALUE, "c": None}]
    assert len({digest(VALUE), *map(digest, others)}) == 5


def test_a_file_is_as_it_was_sealed() -> None:
    value = sealed(VALUE)
    check_seal(value, Path("file.json"), "restore a copy", needed=True)
    assert value == VALUE
    edited = {**sealed(VALUE), "b": []}
    with pytest.raises(UsageError, match=r"^file\.json was edited or damaged after it was written: restore a copy$"):
        check_seal(edited, Path("file.json"), "restore a copy")


def test_only_an_old_file_may_do_without_a_seal() -> None:
    check_seal(dict(VALUE), Path("file.json"), "restore a copy")
    with pytest.raises(UsageError, match="was edited or damaged"):
        check_seal(dict(VALUE), Path("file.json"), "restore a copy", needed=True)
    with pytest.raises(UsageError, match="was edited or damaged"):
        check_seal({**VALUE, documents.SEAL: 7}, Path("file.json"), "restore a copy")


def test_true_is_no_version() -> None:
    assert is_version(1, 1) and is_version(1.0, 1)
    assert not any(is_version(value, 1) for value in (True, 2, "1", None, [1]))
