"""The loop with each method, and what ends it early."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archdial import Budget, OperationSimplex, Scalar
from archdial.common.errors import RunError, UsageError
from archdial.cost.table.table import CostTable
from archdial.dial import Chebyshev, Constraint, Dial, LogPower, Power
from archdial.families.searched import search
from archdial.relaxation import RELAXATIONS
from archdial.searching.loop import Loop, SearchJob
from archdial.searching.settings import SearchSettings
from archdial.searching.state import SearchState, begin
from archdial.training.loop import TrainingLoop
from tests.networks.examples import counted_table
from tests.searching.job import small_data, small_network, small_settings

pytestmark = pytest.mark.usefixtures("short_lessons")


@pytest.fixture(scope="module")
def table() -> CostTable:
    return counted_table(small_network())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predictor", "two_stage", "single_level", "bilevel"])
@pytest.mark.parametrize("dial", [Scalar(), OperationSimplex(), Budget()], ids=lambda dial: dial.kind)
def test_each_method_with_each_dial_gives_a_family(method: str, dial: Scalar, table: CostTable) -> None:
    family = search(small_network(), small_data(), table, dial, small_settings(method), seed=1)
    member = family.within(latency_ms=family.costs["latency_ms"].highest)
    assert member.build()(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert family.dial.settings() != dial.settings(), "the range of the dial was found"
    assert 0 < len(family.archive) <= 14


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predictor", "bilevel"])
@pytest.mark.parametrize("dial", [Power(), LogPower(), Constraint(), Chebyshev()], ids=lambda dial: dial.kind)
def test_the_objectives_of_other_papers_give_families(method: str, dial: Dial, table: CostTable) -> None:
    family = search(small_network(), small_data(), table, dial, small_settings(method), seed=1)
    assert family.dial.settings() != dial.settings()
    member = family.at(family.dial.value(family.dial.grid(3)[1]))
    assert member.build()(torch.zeros(2, 1, 8, 8)).shape == (2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("relaxation", RELAXATIONS)
def test_each_relaxation_trains_weights_and_dial(relaxation: str, table: CostTable) -> None:
    settings = replace(small_settings("single_level"), relaxation=relaxation, epochs=2)
    state = begin(small_network(), small_data(), table, Scalar(), settings, 0)
    before = [p.detach().clone() for p in state.hypernet.parameters()]
    Loop(state).run()
    assert not all(a.equal(b) for a, b in zip(before, state.hypernet.parameters(), strict=True))


@pytest.mark.slow
def test_second_order_and_smoothing_change_what_is_found(table: CostTable) -> None:
    def found(**changes: object) -> torch.Tensor:
        settings = replace(small_settings("bilevel"), relaxation="softmax", epochs=2, **changes)
        state = Loop(begin(small_network(), small_data(), table, Scalar(), settings, 0)).run()
        return torch.cat([p.detach().flatten() for p in state.hypernet.parameters()])

    plain = found()
    assert plain.equal(found())
    assert not plain.equal(found(second_order=True))
    assert not plain.equal(found(smoothing=0.3))


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("single_level", {"second_order": True}, "second_order applies to method bilevel, not single_level"),
        ("predictor", {"smoothing": 0.3}, "smoothing = 0.3 applies to methods single_level and bilevel"),
        ("bilevel", {"smoothing": -1.0}, "smoothing is -1.0: expected at least 0"),
        ("bilevel", {"warmup_epochs": 0}, "warmup_epochs = 0: expected 1"),
    ],
)
def test_settings_of_another_method_are_refused(method: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(small_settings(method), **changes)


@pytest.mark.slow
def test_frozen_weights_stay_as_they_are_while_the_dial_is_trained(table: CostTable) -> None:
    state = begin(small_network(), small_data(), table, Scalar(), small_settings("two_stage"), 0)
    seen: list[list[torch.Tensor]] = []

    class Watched(TrainingLoop[SearchState]):
        def _phase(self, *arguments: Any) -> None:
            seen.append([p.detach().clone() for p in state.network.parameters()])
            super()._phase(*arguments)

    before = [p.detach().clone() for p in state.hypernet.parameters()]
    Watched(SearchJob(state)).run()
    assert all(a.equal(b) for a, b in zip(seen[2], seen[3], strict=True))
    assert not all(a.equal(b) for a, b in zip(seen[0], seen[1], strict=True))
    assert not all(a.equal(b) for a, b in zip(before, state.hypernet.parameters(), strict=True))


@pytest.mark.slow
def test_given_weights_are_searched_and_not_trained(table: CostTable) -> None:
    first = search(small_network(), small_data(), table, settings=small_settings("predictor"), seed=0)
    again = search(
        small_network(), small_data(), table, Budget(), small_settings("predictor"), seed=1, weights_from=first
    )
    assert all(a.equal(b) for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True))
    assert again.dial.kind == "budget" and {e.architecture for e in again.archive} != {
        e.architecture for e in first.archive
    }
    with pytest.raises(UsageError, match="single_level"):
        search(small_network(), small_data(), table, settings=small_settings("single_level"), weights_from=first)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_run_with_step_and_mend(table: CostTable, tmp_path: Path) -> None:
    settings = replace(small_settings("predictor"), learning_rate=1e6, clip=1e30)
    with pytest.raises(RunError, match=r"step \d+ of epoch \d+.*learning_rate"):
        search(small_network(), small_data(), table, settings=settings, folder=tmp_path)


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(table: CostTable, tmp_path: Path) -> None:
    settings = small_settings("predictor")
    search(small_network(), small_data(), table, settings=settings, seed=0, folder=tmp_path)
    with pytest.raises(UsageError, match="another recipe, table or seed"):
        search(small_network(), small_data(), table, settings=settings, seed=1, folder=tmp_path, resume=True)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused(table: CostTable, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UsageError, match="damaged"):
        search(small_network(), small_data(), table, settings=small_settings("predictor"), folder=tmp_path, resume=True)


@pytest.mark.slow
def test_metrics_are_written_an_epoch_a_line(table: CostTable, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    search(small_network(), small_data(), table, settings=small_settings("predictor"), folder=folder)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["weights"] * 3 + ["sample", "propose", "confirm"]
    assert list(folder.glob("events.out.tfevents*"))


def test_images_of_another_shape_are_refused(table: CostTable) -> None:
    from archdial import cells

    with pytest.raises(UsageError, match="image_size"):
        search(cells(1, 3, cells=3, nodes=2, channels=4, image_size=9), small_data(), table)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("paths", "unifrm"), ("relaxation", "hard"), ("learning_rate", -1.0), ("sample", 1)],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"search.{setting}"):
        SearchSettings(**{setting: value})  # type: ignore[arg-type]
