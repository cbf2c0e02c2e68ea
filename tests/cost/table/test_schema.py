"""The schema that is written down says what is read."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from archdial.common.errors import UsageError
from archdial.cost.making.profiling import profile
from archdial.cost.measuring import isolation
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.table import CostTable
from archdial.cost.table.table_file import Header
from tests.cost.examples import Toy, tables
from tests.cost.table.test_table import BAD, TABLE, spoil
from tests.networks.graph.merging.test_priced import eager, made

SCHEMA = json.loads((files("archdial.cost.table") / "table.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
# A schema knows neither the space nor how one value has to fit another.
BEYOND = ("expected one per choice", "two entries", "unknown option", "no entry", "the space lacks", "another space")


def fits(value: dict[str, Any]) -> bool:
    """Whether a validator accepts the file; one that reads JSON as its standard has it never sees nan or inf."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return VALIDATOR.is_valid(json.loads(text))


def reads(value: dict[str, Any]) -> bool:
    try:
        CostTable.from_json(value)
    except UsageError:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=25, deadline=None)
@given(tables(most=3))
def test_what_is_written_fits(case: Any) -> None:
    _, table = case
    VALIDATOR.validate(table.to_json())


def test_a_profile_fits_and_its_header_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "timings", lambda runtime, subjects, count, **_: [Timing(1.0, 0.2)] * count)
    value = profile(Toy()).to_json()
    VALIDATOR.validate(value)
    described = SCHEMA["properties"]["runtime"]["properties"]
    assert set(value["runtime"]) | {"interpolated", "recalibrated"} == set(described) == set(Header.__annotations__)
    assert {*value["terms"][0]["entries"][0], "merged"} == set(SCHEMA["$defs"]["entry"]["properties"])


def test_layers_that_may_be_one_fit_and_are_described() -> None:
    value = eager(made("stem")).to_json()
    VALIDATOR.validate(value)
    described = SCHEMA["$defs"]["merged"]
    (one, *_) = [entry for term in value["terms"] for entry in term["entries"] if "merged" in entry]
    assert set(one["merged"]) == set(described["properties"]) == set(described["required"])
    for key in one["merged"]:
        for change in VALUES:
            spoilt = copy.deepcopy(value)
            entry = next(e for term in spoilt["terms"] for e in term["entries"] if e == one)
            entry["merged"][key] = change
            # That latencies are those of parts, and that these are there, no schema knows.
            assert reads(spoilt) <= fits(spoilt), (key, change)


@pytest.mark.parametrize(("value", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_refused_does_not_fit(value: dict[str, Any], message: str) -> None:
    assert fits(value) == any(text in message for text in BEYOND)


INTERPOLATED = {"parts": 16, "measured": 8, "held_out": 4, "held_out_mean_error": 0.02, "within_10": 1}
RECALIBRATED = {"ratio": 1.2, "networks": 10, "date": "2026-01-01"}
VALUES = [True, "1", -1, 0.5, 0, 1, 1.0, 2.5, [], ["a"], [1], {}, INTERPOLATED, {**INTERPOLATED, "within_10": 2}]
VALUES += [RECALIBRATED, {**RECALIBRATED, "ratio": 0}, {**RECALIBRATED, "networks": 1.5}]


@pytest.mark.parametrize("key", Header.__annotations__)
def test_schema_and_reader_agree_on_the_header(key: str) -> None:
    values = [spoil("runtime", key, value=value) for value in VALUES]
    assert [reads(value) for value in values] == [fits(value) for value in values]
    assert not all(map(reads, values)) and any(map(reads, values))


def test_every_required_key_is_missed() -> None:
    for key in SCHEMA["required"]:
        assert not reads(spoil(key)) and not fits(spoil(key))
    for key in SCHEMA["properties"]["runtime"]["required"]:
        assert not reads(spoil("runtime", key)) and not fits(spoil("runtime", key))
    assert fits(TABLE.to_json()) and reads(TABLE.to_json())
