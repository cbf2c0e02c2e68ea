"""A table comes back from its file as it was; a damaged one is refused with the entry named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from archdial.common.errors import UsageError
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostTerm
from archdial.space import Choice, Space
from tests.cost.examples import RUNTIME, entry, tables

SPACE = Space((Choice("a", ("x", "y"), ("p", "q")), Choice("b", ("x", "y"), ("p", "q"))))
TABLE = CostTable(
    SPACE.fingerprint,
    RUNTIME,
    (
        CostTerm((), (entry((), 0.25),)),
        CostTerm(("a",), (entry(("x",), 1.0), entry(("y",), 2.0))),
        CostTerm(("b",), (entry(("x",), 3.0), entry(("y",), 4.0))),
        CostTerm(("a", "b"), (entry(("x", "y"), 5.0),)),
    ),
)


@settings(max_examples=25, deadline=None)
@given(tables(most=3))
def test_round_trip(case):
    space, table = case
    again = CostTable.from_json(json.loads(json.dumps(table.to_json())))
    assert again == table
    # A run's fingerprint depends on it.
    assert json.dumps(again.to_json()) == json.dumps(table.to_json())
    again.check(space)


def test_round_trip_by_file(tmp_path):
    path = TABLE.save(tmp_path / "new" / "table.json")
    assert CostTable.load(path, SPACE) == TABLE


def spoil(*keys: str | int, value: Any = None) -> dict[str, Any]:
    """The JSON of the table with the value at `keys` replaced, or removed for None."""
    result = TABLE.to_json()
    inner: Any = json.loads(json.dumps(result))
    result = inner
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return result


AX = ("terms", 1, "entries", 0)
BAD = [
    (spoil("format", value="other"), "format is 'other'"),
    (spoil("format"), "format is None"),
    (spoil("version", value=2), "version is 2"),
    (spoil("space"), "the key space is missing"),
    (spoil("space", value=3), "space is 3: expected a string"),
    (spoil("runtime"), "the key runtime is missing"),
    (spoil("runtime", value=[]), "expected a section"),
    (spoil("runtime", "batch_size"), "the key runtime.batch_size is missing"),
    (spoil("runtime", "threads", value=0), "runtime.threads is 0: expected at least 1"),
    (spoil("runtime", "device", value=3), "runtime.device is 3: expected a string"),
    (spoil("runtime", "spread", value=float("nan")), "contains NaN, but JSON allows only finite numbers"),
    (spoil("runtime", "noisy", value="a"), "runtime.noisy is .a.: expected a list"),
    (spoil("terms"), "the key terms is missing"),
    (spoil("terms", 1, "choices"), "terms.1..choices is missing"),
    (spoil("terms", 1, "choices", value="a"), "choices is .a.: expected a list"),
    (spoil("terms", 3, "choices", value=["a", "a"]), "names a choice twice"),
    (spoil("terms", 1, "entries", value=[3]), "terms.1..entries.0. is 3: expected a section"),
    (spoil(*AX, "latency_ms"), "latency_ms .a=x. is missing"),
    (spoil(*AX, "latency_ms", value=-1.0), "latency_ms .a=x. is -1.0"),
    (spoil(*AX, "latency_ms", value=float("nan")), "contains NaN"),
    (spoil(*AX, "latency_ms", value=float("inf")), "contains Infinity"),
    (spoil(*AX, "latency_ms", value="fast"), "latency_ms .a=x. is .fast."),
    (spoil(*AX, "parameters", value=1.5), "parameters .a=x. is 1.5: expected a whole number"),
    (spoil(*AX, "flops", value=True), "flops .a=x. is true"),
    (spoil("terms", 0, "entries", 0, "bytes", value=-3), "bytes .the part that always runs. is -3"),
    (spoil("terms", 3, "entries", 0, "bytes", value=-3), "bytes .a=x, b=y. is -3"),
    (spoil(*AX, "options", value=["x", "y"]), "expected one per choice"),
    (spoil(*AX, "options", value=["y"]), "two entries for a=y"),
    (spoil(*AX, "options", value=["w"]), "entry a=w: unknown option of choice 'a' 'w'"),
    (spoil(*AX), "no entry for a=x"),
    (spoil("terms", 1, "choices", value=["c"]), "a choice that the space lacks: unknown choice 'c'"),
    (spoil("space", value="0123"), f"another space .0123, expected {SPACE.fingerprint}"),
]


@pytest.mark.parametrize(("value", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_tables_are_refused_by_name(tmp_path: Path, value: dict[str, Any], message: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(value))
    with pytest.raises(UsageError, match=message) as error:
        CostTable.load(path, SPACE)
    assert str(path) in str(error.value)


def test_a_choice_without_any_entry_is_refused():
    with pytest.raises(UsageError, match="no entry for choice 'b'"):
        CostTable(SPACE.fingerprint, RUNTIME, TABLE.terms[:2]).check(SPACE)


def test_missing_and_truncated_files_are_refused(tmp_path):
    path = tmp_path / "table.json"
    with pytest.raises(UsageError, match=r"no cost table at .*table\.json"):
        CostTable.load(path)
    path.write_text(json.dumps(TABLE.to_json())[:-40])
    with pytest.raises(UsageError, match=r"table\.json is damaged"):
        CostTable.load(path)
