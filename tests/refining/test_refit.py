"""A family that was refined: it claims what training told, says so, and its dial and budgets go by it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from archdial.common.documents import read_json, sealed
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.common.metrics import kendall_tau
from archdial.dial import Scalar
from archdial.families.chooser import GRID
from archdial.families.family import Family
from archdial.families.redialling import add_device, redial
from archdial.families.storage import FAMILY, family_json, load_family, save_family
from archdial.refining.refit import Logs, Trained, ranked, refined
from archdial.refining.spread import spread
from archdial.searching.state import hypernet_for
from archdial.space import Architecture
from archdial.tasks.measure import Measure
from tests.networks.examples import MIXED
from tests.toy import Toy

COUNT = 20
TRUE = (0.05, 0.10, 0.20, 0.30, 0.35)
"""What each choice is worth after training: the supernet took the last ones for the least."""


def truth(architecture: Architecture) -> float:
    worth = {"none": 0.0, "identity": 0.35, "max_pool_3x3": 0.5, "sep_conv_3x3": 1.0}
    return 0.6 + 0.35 * sum(w * worth[MIXED[o]] for w, o in zip(TRUE, architecture.options, strict=True))


def trained(family: Family, count: int) -> list[Trained]:
    return [Trained(one, truth(one), f"member-{n}") for n, one in enumerate(spread(family, count))]


@pytest.fixture(scope="module")
def family(toy: Toy) -> Family:
    """Its hypernetwork may answer anything: a linear one has no room for what is learnt."""
    return redial(
        dataclasses.replace(toy.family, hypernet=hypernet_for(toy.family.dial, toy.family.network, {})), seed=0
    )


@pytest.fixture(scope="module")
def after(family: Family) -> Family:
    return refined(family, trained(family, COUNT), "retrained", 8, seed=0)


pytestmark = pytest.mark.slow


def test_others_are_ranked_as_training_would(family: Family, after: Family) -> None:
    others = spread(family, 24, without=[one.architecture for one in trained(family, COUNT)])
    told = [after.member(one).after_training for one in others]
    assert {one.origin for one in told if one} == {"predicted"}
    before = kendall_tau([family.member(one).score for one in others], list(map(truth, others)))
    now = kendall_tau([one.score for one in told if one], list(map(truth, others)))
    assert now > before + 0.1


def test_the_accurate_end_is_the_best_that_is_claimed(after: Family) -> None:
    assert after.refinement is not None
    best = max(after.refinement.claims, key=lambda claim: claim.merit)
    assert best.score >= max(claim.score for claim in after.refinement.trained)
    assert after.along(GRID)[0].architecture == best.architecture
    assert after.front()[-1].architecture == best.architecture
    assert after.within(latency_ms=1e6).architecture == best.architecture


def test_what_was_trained_is_claimed_as_measured_and_inherited_scores_stay(family: Family, after: Family) -> None:
    for one in trained(family, COUNT):
        member = after.member(one.architecture)
        value = member.to_json()
        assert value["after_training"] == {
            "accuracy": one.score,
            "provenance": "measured",
            "weights": "retrained",
            "epochs": 8,
            "trained": one.name,
        }
        old = family.member(one.architecture).to_json()
        assert {**value, "dial": None} == {**old, "dial": None, "after_training": value["after_training"]}


def test_one_that_was_never_evaluated_is_foretold_too(toy: Toy, after: Family) -> None:
    known = {item.architecture for item in after.archive}
    strange = next(one for one in toy.every if after.network.canonical(one) not in known)
    told = after.member(strange).after_training
    assert told is not None and told.origin == "predicted" and 0 < told.score < 1 and told.name is None


def test_the_family_of_before_is_as_it_was_and_tells_nothing(family: Family, after: Family) -> None:
    assert family.refinement is None and "refined" not in family.info
    assert "after_training" not in family.front()[0].to_json()
    assert family.judged == family.archive == after.archive
    assert family.predictor is after.predictor and after.ranker is not after.predictor


def test_its_info_says_how_it_was_refined(family: Family, after: Family) -> None:
    told = after.info["refined"]
    assert (told["weights"], told["epochs"], told["seed"], told["split"]) == ("retrained", 8, 0, "validation")
    assert told["trained"] == {one.name: one.score for one in trained(family, COUNT)}
    assert told["tau"]["before"] == ranked(family, trained(family, COUNT)).tau_before
    assert {name: value for name, value in after.info.items() if name != "refined"} == family.info


def test_the_same_seed_gives_the_same_family(family: Family, after: Family) -> None:
    again = refined(family, trained(family, COUNT), "retrained", 8, seed=0)
    assert family_json(again) == family_json(after)
    assert all(a.equal(b) for a, b in zip(again.hypernet.parameters(), after.hypernet.parameters(), strict=True))


def test_refined_again_it_forgets_what_it_claimed(family: Family, after: Family) -> None:
    few = trained(family, 3)
    assert family_json(refined(after, few, "retrained", 8)) == family_json(refined(family, few, "retrained", 8))


def test_another_dial_and_another_device_go_by_the_claims(after: Family) -> None:
    assert after.refinement is not None
    best = max(after.refinement.claims, key=lambda claim: claim.merit)
    for other in (redial(after, Scalar(), seed=1), add_device(after, "pi", after.table).on("pi")):
        assert other.refinement is after.refinement
        assert other.along(GRID)[0].architecture == best.architecture


def test_it_comes_back_from_its_files(after: Family, tmp_path: Path) -> None:
    save_family(after, tmp_path / "run")
    again = load_family(tmp_path / "run")
    assert family_json(again) == family_json(after)
    assert [member.to_json() for member in again.along(9)] == [member.to_json() for member in after.along(9)]
    assert again.within(latency_ms=0.4).to_json() == after.within(latency_ms=0.4).to_json()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told: told["claims"].pop(), "has no option|omits one that was evaluated"),
        (lambda told: told["claims"].append(told["claims"][0]), "lists an architecture twice"),
        (lambda told: told["claims"][0].__setitem__(1, 1.5), "accuracy is 1.5"),
        (lambda told: told["claims"][0].__setitem__(0, [9] * 5), "option 9"),
        (lambda told: told.__setitem__("weights", "stolen"), "refined.weights"),
        (lambda told: told["tau"].__setitem__("before", 3.0), "refined.tau.before"),
    ],
)
def test_a_refinement_that_cannot_be_is_refused(after: Family, tmp_path: Path, change: object, says: str) -> None:
    path = save_family(after, tmp_path / "run")
    value = family_json(after)
    change(value["refined"])  # type: ignore[operator]
    told = load_digest(path)
    write_json(tmp_path / "run" / FAMILY, sealed({**value, "weights_sha256": told}))
    with pytest.raises(UsageError, match=says):
        load_family(tmp_path / "run")


def load_digest(path: Path) -> str:
    return str(read_json(path, "family")["weights_sha256"])


def test_weights_of_a_refinement_that_the_family_does_not_have(after: Family, tmp_path: Path) -> None:
    path = save_family(after, tmp_path / "run")
    value = {name: item for name, item in family_json(after).items() if name != "refined"}
    write_json(path, sealed({**value, "weights_sha256": load_digest(path)}))
    with pytest.raises(UsageError, match="a refinement that family"):
        load_family(tmp_path / "run")


def test_none_is_too_few(family: Family) -> None:
    with pytest.raises(UsageError, match="expected at least one"):
        refined(family, [], "retrained", 8)


@pytest.mark.parametrize("turned", [False, True])
def test_full_agreement_is_1_whatever_the_rounding(family: Family, turned: bool) -> None:
    for count in range(2, 12):
        few = trained(family, count)
        own = [Trained(one.architecture, family.member(one.architecture).score, one.name) for one in few]
        scores = [1 - one.score for one in own] if turned else [one.score for one in own]
        told = ranked(family, [dataclasses.replace(one, score=score) for one, score in zip(own, scores, strict=True)])
        assert told.tau_before is not None and -1 <= told.tau_before <= 1
        assert told.tau_before == pytest.approx(-1 if turned else 1)


def test_one_network_twice_is_refused(family: Family) -> None:
    one = trained(family, 1)
    with pytest.raises(UsageError, match="two of which are the same network"):
        refined(family, [*one, *one], "retrained", 8)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_few_still_make_a_family(family: Family, count: int) -> None:
    few = trained(family, count)
    told = ranked(family, few)
    assert (told.foretold is None) == (count < 3) and len(told.before) == len(told.trained) == count
    after = refined(family, few, "retrained", 8)
    assert {claim.name for claim in after.refinement.trained} == {one.name for one in few}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("measure", "scores"),
    [
        (Measure("accuracy"), [0.2, 0.9, 0.7]),
        (Measure("RMSE", higher_is_better=False, best=0.0, share=False), [3.0, 0.01, 40.0]),
        (Measure("R2", share=False, best=0.5), [0.9, -4.0, 0.6]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_logarithms_go_there_and_back(measure: Measure, scores: list[float]) -> None:
    logs = Logs.around(measure, scores)
    values = logs.of(torch.tensor(scores, dtype=torch.float64))
    assert logs.scores(values) == pytest.approx(scores)
    assert values.argsort().tolist() == sorted(range(3), key=lambda n: -measure.merit(scores[n]))
