"""Files whose parts contradict each other, which mutations hit by chance only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archdial.common.errors import UsageError
from archdial.cost.table.table import CostTable
from archdial.dial import OperationSimplex
from archdial.families.stored_network import check_together
from tests.hostile import examples


def test_a_fit_beside_an_entry_that_names_no_parts() -> None:
    value = CostTable.from_json(examples.measured_table().to_json()).to_json()
    assert value["fit"] is not None
    entry = next(entry for entry in value["terms"][1]["entries"] if not entry["parts"])
    entry["latency_ms"] = 1e-6
    with pytest.raises(UsageError, match=r"it has a fit, but the entry .* names no parts"):
        CostTable.from_json(value, "the table")


def test_a_dial_of_other_kinds_than_the_space() -> None:
    family = next(one for one in examples.families("cells") if isinstance(one.dial, OperationSimplex))
    check_together(family)
    kinds = tuple(f"other {kind}" for kind in family.space.kinds)
    with pytest.raises(UsageError, match=r"its dial has the kinds other .*, but its space has others"):
        check_together(replace(family, dial=OperationSimplex(2.0).fitted(kinds)))
