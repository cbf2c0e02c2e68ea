"""What hangs or swells a reader: small files that ask for much are refused by a sentence, at once."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archdial.common.documents import DEEPEST, parse_json, sealed
from archdial.common.errors import UsageError
from archdial.common.progress import NoBar
from archdial.cost.table.table import CostTable
from archdial.families.storage import load_built, load_family, save_member
from archdial.networks.graph.source import load_weights
from archdial.runs.recipe import read_recipe
from archdial.runs.recipe_file import read_yaml
from archdial.training.checkpoint import read_checkpoint, write_checkpoint
from archdial.training.log import METRICS, RunLog
from archdial.training.step import Place
from tests.hostile import examples
from tests.hostile.measuring import LONGEST_MESSAGE, LONGEST_SECONDS, MOST_MIB, _check_message, _peak, limited
from tests.hostile.mutations import nested
from tests.networks.examples import tiny

DATA = "data: digits\nchannels: 1\n"
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 25))


@contextmanager
def small() -> Iterator[None]:
    """Bear with no more than 5 s of processor, as others may use the machine too, and 200 MiB."""
    before, start = _peak(reset=True), time.process_time()
    yield
    assert time.process_time() - start < LONGEST_SECONDS
    assert _peak() - before < MOST_MIB


def refused(read: Callable[[], Any], match: str) -> None:
    with small(), pytest.raises(UsageError, match=match) as caught:
        read()
    _check_message(str(caught.value))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BOMB, "more than 20,000 values through its aliases"),
        ("<<: &a {x: 1}\n" + BOMB, "more than 20,000 values"),
        ("a: &a [*a]", "an alias refers to a section that contains it"),
        ("a: &a {b: *a}", "an alias refers to a section that contains it"),
        (DATA + "network: {cells: 100000000}", "network.cells is 100000000: expected at most 65,536"),
        (DATA + "network: {cells: 60000}", "cells = 60000, nodes = 4: .* but a supernet may have at most 50,000"),
        (DATA + "network: {nodes: 1000000}", "network.nodes is 1000000: expected at most 65,536"),
        (DATA + "network: {nodes: 60000}", "nodes = 60000: .* but a supernet may have at most 50,000"),
        (
            DATA + "network: {kind: nas_bench_201, cells: 60000}",
            "cells = 60000: .* but a supernet may have at most 50,000",
        ),
        (DATA + "search: {hypernet: {hidden: [30000, 30000]}}", "at most 16,777,216 are allowed"),
        (DATA + "search: {hypernet: {hidden: 99999999999}}", "search.hypernet: hidden is 99999999999: expected a list"),
        (DATA + "search: {hypernet: {kind: kernel, pivots: 1000000000}}", "pivots is 1000000000: expected at most"),
        (DATA + "search: {hypernet: {kind: piecewise_constant, pieces: 100000}}", "pieces is 100000: expected at most"),
        (DATA + f"limit: {'9' * 5_000}", "is not a valid int"),
        (DATA + f"limit: {10**400}", "limit is .*a number of 401 digits.*: expected"),
        (DATA + f"search: {{learning_rate: {10**400}}}", "a number of 401 digits"),
        (DATA + "search: {learning_rate: 1.0e+400}", "search.learning_rate is"),
        (DATA + "search: {learning_rate: .nan}", "search.learning_rate is"),
        ("x: " + "[" * 5_000, "sections are nested more than 30 levels deep"),
        ("x: " + "{a: " * 5_000, "sections are nested more than 30 levels deep"),
        ("- " * 5_000, "sections are nested more than 30 levels deep"),
        ("? [a, b]\n: 1", "line 1: a key is a list or a section"),
        ("? {a: b}\n: 1", "line 1: a key is a list or a section"),
        ("a: !!int abc", "line 1: 'abc' is not a valid int"),
        ("a: !!float abc", "line 1: 'abc' is not a valid float"),
        ("a: !!timestamp abc", "line 1: 'abc' is not a valid timestamp"),
        ("a: !!binary ä", "line 1: "),
        ("a: 2020-13-45", "line 1: '2020-13-45' is not a valid timestamp"),
        ("a: !!python/object/apply:os.system [x]", "line 1: could not determine a constructor"),
        ("a: !!set {b}", "it contains .*without tags"),
        ("data: " + "x" * 99_000 + "\nchannels: 1", "data is .x*...: expected a string of length at most 500"),
        ("a: 1\n" * 40_000, "it has 200,000 characters, expected at most 100,000"),
        (f"{DATA}? {'k' * 90_000}\n: 1", "unknown key 'k*"),
    ],
    ids=lambda value: value[:40].replace("\n", " ") if isinstance(value, str) else None,
)
def test_recipes_that_swell(text: str, match: str) -> None:
    refused(lambda: read_recipe(text, "mine.yaml"), match)


def test_aliases_that_do_not_swell_are_read() -> None:
    assert read_yaml("a: &a [1, 2]\nb: *a") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[" * 100_000, f"nested more than {DEEPEST} levels deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, f"nested more than {DEEPEST} levels deep"),
        ('{"a": ' + "9" * 5_000 + "}", r"is damaged \(Exceeds the limit"),
        ('{"a": 1e400}', r"is damaged \(it contains 1e400"),
        ('{"a": -' + "9" * 400 + ".0}", r"is damaged \(it contains -9*\.\.\."),
        ('{"a": NaN}', r"is damaged \(it contains NaN"),
        ('{"a": 1, "a": 2}', r"is damaged \(the key 'a' appears twice"),
        ('{"' + "k" * 10_000_000 + '": 1, "' + "k" * 10_000_000 + '": 1}', "the key 'kkk"),
        ("x" * 10_000_000, "is damaged"),
        ('"' + "\\" * 10_000_001, "is damaged"),
    ],
    ids=lambda value: value[:25] if isinstance(value, str) else None,
)
def test_json_that_swells(text: str, match: str) -> None:
    data = text.encode()
    refused(lambda: parse_json(data, "the file"), match)


def table(**changes: Any) -> dict[str, Any]:
    return {**examples.measured_table().to_json(), **changes}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"space": "x" * 10_000_000}, "space is .*a string of length at most 10,000"),
        ({"version": "1" * 10_000_000}, "the version is .*this archdial reads 1"),
        ({"format": ["a"] * 1_000_000}, "the format is .*expected 'archdial.table'"),
        ({"terms": [0] * 1_000_000}, r"terms\[0\] is 0: expected a section"),
        ({"terms": [{"choices": ["a" * 600] * 1_000, "entries": []}]}, "a string of length at most 500"),
        ({"parts": {"x" * 1_000_000: 1}}, r"parts.x*... is 1: expected a section"),
        ({"networks": nested(45)}, "networks"),
        ({"parts": {f"p{n}": 0 for n in range(300_000)}}, "parts.p0 is 0: expected a section"),
        ({"runtime": {"device": 10**400, "runtime": "eager", "threads": 1, "batch_size": 1}}, "runtime.device is"),
        ({"runtime": {"device": "cpu", "runtime": "eager", "threads": 10**400, "batch_size": 1}}, "runtime.threads is"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_tables_that_swell(change: dict[str, Any], match: str) -> None:
    value = table(**change)
    refused(lambda: CostTable.from_json(value, "the table"), match)


def test_a_table_with_very_many_parts_and_networks() -> None:
    whole = table()
    part = whole["parts"]["conv/1"]
    whole["parts"] = {**whole["parts"], **{f"k{n}/{n}": {**part, "kind": f"k{n}"} for n in range(3_000)}}
    refused(lambda: CostTable.from_json(whole, "the table"), "expected at most")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return examples.folders("cells", tmp_path)[0]


def renewed(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads((folder / name).read_text())
    del value["sha256"]
    change(value)
    (folder / name).write_text(json.dumps(sealed(value)))


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        ({"cells": 100_000_000}, "network.cells is 100000000: expected at most 65,536"),
        ({"cells": 5_000}, "the network needs more"),
        ({"nodes": 1_000_000}, "network.nodes is 1000000"),
        ({"channels": 65_536}, "the weights contain .* of shape"),
        ({"classes": 60_000}, "the weights contain .* of shape"),
        ({"image_size": [60_000, 60_000]}, "its images have"),
        ({"in_channels": 10**400}, "network.in_channels is"),
        ({"operations": ["sep_conv_3x3"] * 100_000}, "at least one name, all distinct"),
        ({"operations": [["none"]]}, r"network.operations\[0\] is"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else None,
)
def test_families_that_swell(folder: Path, plan: dict[str, Any], match: str) -> None:
    renewed(folder, "family.json", lambda value: value["network"].update(plan))
    refused(lambda: load_family(folder), match)


def test_a_hypernetwork_that_swells(folder: Path) -> None:
    asked = {"kind": "mlp", "features": 1, "hidden": [8_000, 8_000]}
    renewed(folder, "family.json", lambda value: value.update(hypernet=asked))
    refused(lambda: load_family(folder), "at most .* are allowed")


def test_a_name_of_ten_megabytes(folder: Path) -> None:
    renewed(folder, "family.json", lambda value: value["hypernet"].update(kind="x" * 10_000_000))
    refused(lambda: load_family(folder), "hypernet.kind is .*a string of length at most 500")


def test_weights_that_say_more_than_they_hold(folder: Path) -> None:
    header = json.dumps({"network.x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    data = len(header).to_bytes(8, "little") + header
    (folder / "weights.safetensors").write_bytes(data)
    renewed(folder, "family.json", lambda value: value.update(weights_sha256=hashlib.sha256(data).hexdigest()))
    refused(lambda: load_family(folder), "weights.safetensors is damaged")


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        ({"channels": 65_536}, "the weights contain .* of shape"),
        ({"cells": 5_000}, "the architecture has no option for|network.cells is 5000"),
        ({"nodes": 150}, "the network needs more"),
    ],
)
def test_members_of_networks_that_are_too_large(tmp_path: Path, folder: Path, plan: dict[str, Any], match: str) -> None:
    save_member(load_family(folder).at(0.1), tmp_path / "member")
    renewed(tmp_path / "member", "architecture.json", lambda value: value["network"].update(plan))
    refused(lambda: load_built(tmp_path / "member"), match)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "name"),
    [
        ({"width": 256}, "resnet56"),
        ({"width": 2_000}, "resnet18"),
        ({"input_shape": [1, 4_000, 4_000]}, "resnet20"),
    ],
)
def test_members_on_backbones_that_are_too_large(tmp_path: Path, plan: dict[str, Any], name: str) -> None:
    """Whatever the member leaves out of it is never made."""
    save_member(load_family(examples.folders("gates", tmp_path)[0]).at(0.1), tmp_path / "member")

    def swollen(value: dict[str, Any]) -> None:
        value["network"]["source"].update(plan, name=name)
        value["network"].update({key: plan[key] for key in plan if key == "input_shape"})

    renewed(tmp_path / "member", "architecture.json", swollen)
    with small():
        try:
            load_built(tmp_path / "member")
        except UsageError as error:
            _check_message(str(error))


def test_a_member_that_takes_nothing_of_a_large_network(tmp_path: Path) -> None:
    """By its weights it could be one of it: what it does not use is never made."""
    network = tiny(in_channels=1, classes=2, cells=1, nodes=1, channels=1_500, operations=("none", "sep_conv_3x3"))
    one = replace(examples.family(network), archive=())
    nothing = one.member(network.space.uniform("none"))
    del network
    save_member(nothing, tmp_path)
    expected = nothing.build()(torch.ones(1, 1, 8, 8))
    del nothing, one
    with small():
        module = load_built(tmp_path).module
    assert module(torch.ones(1, 1, 8, 8)).equal(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        [{"name": f"c{n}", "options": ["keep", "drop"], "kinds": [f"a{n}", f"b{n}"]} for n in range(3_000)],
        [{"name": "a", "options": [str(n) for n in range(3_000)], "kinds": ["x"] * 3_000}]
        + [{"name": f"c{n}", "options": ["keep"], "kinds": ["x"]} for n in range(3_000)],
    ],
    ids=["kinds", "options"],
)
def test_choices_that_swell(tmp_path: Path, choices: list[dict[str, Any]]) -> None:
    closed = examples.folders("closed", tmp_path)[0]
    renewed(closed, "family.json", lambda value: value.update(choices=choices))
    refused(lambda: load_family(closed), "its choices have")


def nested_by_reference() -> list[Any]:
    found: list[Any] = []
    for _ in range(40):
        found = [found, found]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "match"),
    [
        (nested_by_reference(), "more than its bytes"),
        ([[0] * 10_000] * 10_000, "more than its bytes"),
        (["x" * 10_000_000] * 1_000, "more than its bytes"),
        ([torch.zeros(2**20)] * 5_000, "more than its bytes"),
        (torch.zeros(1).expand(300_000_000), "more than its bytes"),
        (torch.zeros(10_000).expand(100_000, 10_000), "more than its bytes"),
        (torch.zeros(3).to_sparse(), "is damaged"),
        (torch.zeros(3, device="meta"), "is damaged"),
    ],
    ids=["lists", "numbers", "texts", "tensors", "expanded", "expanded rows", "sparse", "meta"],
)
@pytest.mark.parametrize("claims", [True, False])
def test_checkpoints_that_swell(tmp_path: Path, value: object, match: str, claims: bool) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"fingerprint": "", "place": [0, 0, 0], "value": value} | ({"sha256": "0"} if claims else {}), path)
    refused(lambda: read_checkpoint(path, sealed=lambda _: claims), match)


@pytest.mark.slow
def test_checkpoints_that_inflate(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pt", tmp_path / "checkpoint.pt"
    torch.save({"fingerprint": "", "place": [0, 0, 0], "value": torch.zeros(2**20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, bytes(2**29) if name.endswith("data/0") else source.read(name))
    assert packed.stat().st_size < 2**20
    refused(lambda: read_checkpoint(packed), "it is compressed, but torch never compresses")


HEAD = b"\x80\x02}(X\x0b\x00\x00\x00fingerprintX\x00\x00\x00\x00X\x05\x00\x00\x00place]X\x01\x00\x00\x00v"


def numbers_of_one_hash(count: int) -> bytes:
    keys = (pickle.encode_long(number * (2**61 - 1)) for number in range(1, count))
    return b"}(" + b"".join(b"\x8a" + bytes([len(key)]) + key + b"N" for key in keys) + b"uu."


def renamed_methods(name: str) -> bytes:
    """A whole pickle: a mapping with an attribute in the place of a method."""
    told = b"X" + struct.pack("<I", len(name)) + name.encode()
    return b"\x80\x02ccollections\nOrderedDict\n)R" + HEAD[3:] + b"Nu}" + told + b"X\x01\x00\x00\x00xsb."


PICKLES = {
    "a call that fills memory": (
        HEAD + b"cbuiltins\nbytearray\nJ" + struct.pack("<i", 1_500_000_000) + b"\x85Ru.",
        "calls",
    ),
    "keys of one hash": (HEAD + numbers_of_one_hash(20_000), "an integer of 65 bits"),
    "very many values": (HEAD + b"](" + b"N" * 3_000_000 + b"eu.", "too many values"),
    "get": (renamed_methods("get"), "has changed"),
    "pop": (renamed_methods("pop"), "has changed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKLES)
def test_values_that_swell(tmp_path: Path, name: str) -> None:
    pickled, match = PICKLES[name]
    plain, path = tmp_path / "plain.pt", tmp_path / "checkpoint.pt"
    torch.save({"fingerprint": "", "place": [0, 0, 0]}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, pickled if entry.endswith("data.pkl") else source.read(entry))
    refused(lambda: read_checkpoint(path), match)
    with small(), pytest.raises(UsageError):
        load_weights(examples.small_model(), path)


@pytest.mark.slow
def test_an_archive_with_two_directories(tmp_path: Path) -> None:
    """Python reads the one that stands before the end, and torch the one that the end names."""
    plain, path, packed = tmp_path / "plain.pt", tmp_path / "checkpoint.pt", io.BytesIO()
    torch.save({"fingerprint": "", "place": [0, 0, 0], "v": torch.zeros(2**26)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    whole = packed.getvalue()
    end = whole.rfind(b"PK\5\6")
    count, size, offset = struct.unpack("<HII", whole[end + 10 : end + 20])
    harmless, place = bytearray(whole[offset : offset + size]), 0
    while place < size:
        lengths = struct.unpack("<HHH", harmless[place + 28 : place + 34])
        harmless[place + 10 : place + 12] = bytes(2)
        harmless[place + 24 : place + 28] = harmless[place + 20 : place + 24]
        place += 46 + sum(lengths)
    closing = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, size, offset, 0)
    path.write_bytes(whole[:end] + bytes(harmless) + closing)
    refused(lambda: read_checkpoint(path), "not written by torch")


@pytest.mark.parametrize("older", [True, False])
def test_weights_of_any_torch_are_read(tmp_path: Path, older: bool) -> None:
    model, path = examples.small_model(), tmp_path / "weights.pt"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=not older)
    found = load_weights(examples.small_model(), path).state_dict()
    assert all(found[name].equal(value) for name, value in model.state_dict().items())


def test_a_member_of_very_many_edges(tmp_path: Path, folder: Path) -> None:
    save_member(load_family(folder).at(0.1), tmp_path / "member")

    def swollen(value: dict[str, Any]) -> None:
        value["network"].update(cells=1, nodes=100)
        edges = [f"normal/{node}<-{source}" for node in range(2, 102) for source in range(node)]
        value["member"]["architecture"] = dict.fromkeys(edges, "none")

    renewed(tmp_path / "member", "architecture.json", swollen)
    refused(lambda: load_built(tmp_path / "member"), "the network needs more")


def test_weights_that_are_tied_are_none_that_swell(tmp_path: Path) -> None:
    weight = torch.rand(2**20)
    value = {"fingerprint": "", "place": [0, 0, 0], "state": {f"{n}.weight": weight for n in range(12)}}
    assert read_checkpoint(write_checkpoint(tmp_path / "checkpoint.pt", value))["state"]["3.weight"].equal(weight)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    for name in ("checkpoint.pt", METRICS):
        os.mkfifo(tmp_path / name)
    with limited():
        refused(lambda: read_checkpoint(tmp_path / "checkpoint.pt"), "it is not a file")
        refused(lambda: RunLog(tmp_path, Place(), NoBar()), "metrics.jsonl cannot be used as a log file")


def test_the_longest_message_is_cut() -> None:
    assert len(str(UsageError("x" * 10_000_000))) <= LONGEST_MESSAGE
    assert str(UsageError("\x1b[31m\ud800")).isprintable()
