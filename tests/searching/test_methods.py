"""Settings belong to the method that reads them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from archdial import Scalar
from archdial.common.errors import UsageError
from archdial.searching.loop import Loop
from archdial.searching.methods import READ_BY, check_read
from archdial.searching.settings import SearchSettings
from archdial.searching.state import begin
from tests.networks.examples import counted_table
from tests.searching.job import small_data, small_network, small_settings

# The optimizer that it is a rate of is made for every method, and used by those that are named; budgets are drawn in
# turns, which these searches have none of; proxies are looked up before the loop begins.
USED_IN_THE_LOOP = set(READ_BY) - {"hypernet_rate", "budgets", "proxies"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predictor", "two_stage", "single_level", "bilevel"])
def test_a_method_reads_the_settings_that_are_said_to_be_its_own(method: str) -> None:
    settings = small_settings(method)
    network = small_network()
    state = begin(network, small_data(), counted_table(network), Scalar(), settings, 0)
    read: set[str] = set()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(settings, name)

    state.settings = Watched()  # type: ignore[assignment]
    Loop(state).run()
    assert read & USED_IN_THE_LOOP == {name for name in USED_IN_THE_LOOP if method in READ_BY[name]}
    assert any(state.hypernet_optimizer.state.values()) == (method in READ_BY["hypernet_rate"])


def test_what_another_method_reads_is_refused_in_a_recipe() -> None:
    check_read({"rounds": 2})
    check_read({"method": "bilevel", "smoothing": 0.1, "epochs": 3})
    with pytest.raises(UsageError, match=r"search.rounds applies to method predictor, not two_stage: omit it"):
        check_read({"method": "two_stage", "rounds": 2})
    with pytest.raises(
        UsageError, match=r"search.warmup_epochs applies to methods single_level and bilevel, not predictor"
    ):
        check_read({"warmup_epochs": 2})


def test_every_setting_is_part_of_what_fingerprints_are_made_of() -> None:
    told = repr(SearchSettings())
    assert told.startswith("SearchSettings(method='predictor', epochs=20, warmup_epochs=2, second_order=False, ")
    # What came later is there where it is not as it was before.
    later = ("optimizer", "importance", "budgets", "proxies", "readout", "gradient")
    assert all((f"{one.name}=" in told) != (one.name in later) for one in fields(SearchSettings))
    assert "optimizer='adamw'" in repr(SearchSettings(optimizer="adamw"))
    assert "importance='norm'" in repr(SearchSettings(importance="norm"))
    assert "proxies=('naswot',)" in repr(SearchSettings(proxies=("naswot",)))
    assert "readout='refitted'" in repr(SearchSettings(readout="refitted"))
    assert "budgets='octaves'" in repr(SearchSettings(regime="tuned", turns=1, budgets="octaves"))


def test_budgets_are_refused_where_none_are_drawn() -> None:
    with pytest.raises(UsageError, match=r"search.budgets = octaves requires search.turns"):
        SearchSettings(budgets="octaves")


def test_runs_without_newer_settings_are_written_as_before_there_were_any() -> None:
    newer = {"proxies", "readout", "gradient"}
    assert set(SearchSettings().to_json()) == {one.name for one in fields(SearchSettings)} - newer
    assert SearchSettings(proxies=("zen", "naswot")).to_json()["proxies"] == ["zen", "naswot"]
    assert SearchSettings(readout="refitted").to_json()["readout"] == "refitted"


def test_proxies_are_named_and_named_once() -> None:
    assert repr(SearchSettings(proxies=["zen"])) == repr(SearchSettings(proxies=("zen",)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"unknown search.proxies 'naswhat'.*naswot"):
        SearchSettings(proxies=("naswhat",))
    with pytest.raises(UsageError, match=r"search.proxies = \[zen, zen\]: expected each name once"):
        SearchSettings(proxies=("zen", "zen"))
    with pytest.raises(UsageError, match=r"search.proxies applies to method predictor, not two_stage: omit it"):
        check_read({"method": "two_stage", "proxies": ["zen"]})
