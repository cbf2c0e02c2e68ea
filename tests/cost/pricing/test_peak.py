"""The cost that does not add up, against every architecture of small spaces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from archdial.common.errors import UsageError
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.table import CostTable
from archdial.space import Architecture, Space
from tests.cost.examples import architectures, selects, tables


def largest(table: CostTable, space: Space, architecture: Architecture) -> float:
    taken = space.describe(architecture)
    found = [0.0]
    for term in table.terms:
        options = tuple(taken[name] for name in term.choices)
        found += [float(entry.peak_bytes or 0) for entry in term.entries if selects(entry, options)]
    return max(found)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(tables(most=3))
def test_the_largest_entry_counts(case: tuple[Space, CostTable]) -> None:
    space, table = case
    peak, every = PeakCost(space, table), architectures(space)
    expected = [largest(table, space, architecture) for architecture in every]
    assert [peak.of(architecture) for architecture in every] == expected
    assert peak(space.one_hots(every)).tolist() == expected
    low, high = peak.extremes()
    assert min(expected) <= peak.lowest == peak.of(low) <= peak.of(high) == peak.highest <= max(expected)


@settings(max_examples=50, deadline=None)
@given(tables(most=1))
def test_without_terms_over_several_choices_the_least_is_found(case: tuple[Space, CostTable]) -> None:
    space, table = case
    expected = [largest(table, space, architecture) for architecture in architectures(space)]
    peak = PeakCost(space, table)
    assert (peak.lowest, peak.highest) == (min(expected), max(expected))


@settings(max_examples=5, deadline=None)
@given(tables(most=2))
def test_a_table_without_peaks_is_refused(case: tuple[Space, CostTable]) -> None:
    space, table = case
    term = table.terms[0]
    older = replace(term, entries=tuple(replace(entry, peak_bytes=None) for entry in term.entries))
    if not older.entries:
        return
    with pytest.raises(UsageError, match="has no peak_bytes, because it was made by an older archdial"):
        PeakCost(space, replace(table, terms=(older, *table.terms[1:])))
