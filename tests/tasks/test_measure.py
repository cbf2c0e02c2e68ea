"""Scores by their measure: whatever compares them asks it which way is better."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.comparing.baselines.baseline import Judge, front_of
from archdial.comparing.baselines.greedy import Greedy
from archdial.comparing.experiments.plateau import Point, fall
from archdial.families.family import Family
from archdial.report.numbers import report_numbers
from archdial.report.page import page_html
from archdial.report.wording import score_text, score_title
from archdial.searching.candidates import front
from archdial.searching.evaluation import Evaluated, errors
from archdial.searching.predictor import ErrorPredictor
from archdial.tasks.measure import ACCURACY, Measure
from archdial.tasks.stored import StoredTask
from tests.report.test_numbers import small_file
from tests.toy import Toy

MISTAKES = Measure("mistakes", higher_is_better=False, best=0.0)
METRES = Measure("MAE in metres", higher_is_better=False, best=0.0, share=False)


def mirrored(toy: Toy) -> Family:
    """The toy family, told by its mistakes instead of its accuracy."""
    archive = tuple(Evaluated(one.architecture, 1 - one.score, one.loss, MISTAKES) for one in toy.family.archive)
    return replace(toy.family, archive=archive, own_task=StoredTask(MISTAKES))


def test_errors_scores_and_merits() -> None:
    assert ACCURACY.error(0.75) == 0.25 and ACCURACY.score(0.25) == 0.75 and ACCURACY.merit(0.75) == 0.75
    assert MISTAKES.error(0.25) == 0.25 and MISTAKES.score(0.25) == 0.25 and MISTAKES.merit(0.25) == -0.25
    assert ACCURACY.error(torch.tensor([0.75])).tolist() == [0.25]


@pytest.mark.parametrize("measure", [ACCURACY, MISTAKES, METRES])
def test_a_measure_comes_back_from_json(measure: Measure) -> None:
    assert Measure.of(measure.to_json()) == measure
    assert Measure.of(None) == ACCURACY


def test_a_measure_that_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match=r"score\.best is"):
        Measure("x", best=float("nan"))


def test_scores_are_written_with_their_unit() -> None:
    assert (score_text(0.87, ACCURACY), score_text(1.25, METRES)) == ("87.00 %", "1.25")
    assert score_title(ACCURACY, "on test", "relaxed") == "relaxed accuracy (%, on test)"
    assert score_title(METRES, "") == "MAE in metres"


def test_members_are_the_same_whichever_way_is_better(toy: Toy) -> None:
    family = toy.family
    expected = [family.within(latency_ms=limit).architecture for limit in (0.2, 0.4, 0.6)]
    along = [item.architecture for item in front(family.archive, family.costs["latency_ms"])]
    seen = errors(family.archive)
    mine = mirrored(toy)
    assert [mine.within(latency_ms=limit).architecture for limit in (0.2, 0.4, 0.6)] == expected
    assert [item.architecture for item in front(mine.archive, mine.costs["latency_ms"])] == along
    assert errors(mine.archive).tolist() == pytest.approx(seen.tolist())
    value = mine.front()[0].to_json()
    assert value["mistakes"] == mine.front()[0].score and "accuracy" not in value
    assert value["provenance"]["mistakes"] == "measured" and value["provenance"]["mistakes_split"] == "validation"


def test_predictors_learn_errors(toy: Toy) -> None:
    one, other = ErrorPredictor(toy.family.space), ErrorPredictor(toy.family.space)
    one.fit(toy.family.archive, torch.Generator().manual_seed(0), 20)
    other.fit(mirrored(toy).archive, torch.Generator().manual_seed(0), 20)
    weights = toy.family.space.one_hots(item.architecture for item in toy.family.archive)
    assert torch.allclose(one(weights), other(weights), atol=1e-4)


def test_baselines_go_the_same_way(toy: Toy) -> None:
    def walked(family: Family, measure: Measure) -> list[object]:
        def judged(architecture: object) -> Evaluated:
            accuracy = Toy.accuracy(architecture)  # type: ignore[arg-type]
            score = accuracy if measure == ACCURACY else 1 - accuracy
            return Evaluated(architecture, score, 0.0, measure)  # type: ignore[arg-type]

        judge = Judge(judged, 60)
        Greedy().search(family, judge, torch.Generator().manual_seed(0))
        return [member.architecture for member in front_of(family, list(judge.seen.values()))]

    expected = walked(toy.family, ACCURACY)
    assert walked(mirrored(toy), MISTAKES) == expected


def test_where_scores_fall_to_chance_they_may_rise() -> None:
    falling = [Point(10.0**place, score, 1.0, ACCURACY) for place, score in enumerate((0.9, 0.9, 0.5, 0.12, 0.1))]
    rising = [Point(one.penalty, 1 - one.score, 1.0, MISTAKES) for one in falling]
    assert fall(falling, 0.1) == fall(rising, 0.9) == 1e3


def test_a_page_calls_scores_what_their_file_calls_them() -> None:
    file = small_file() | {"score": Measure("recall").to_json()}
    page = page_html(report_numbers(file))
    assert "Recall against latency" in page and "best recall" in page and "recall %" in page
    assert "ccuracy" not in page[page.index("<h1>") :].partition('<script type="application/json"')[0]
    lower = report_numbers(file | {"score": MISTAKES.to_json(), "front": None})
    assert lower.measure == MISTAKES
    best = min(range(len(lower.members)), key=lambda index: lower.members[index].score)
    assert best in lower.front
