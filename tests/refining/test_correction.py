"""What trained members tell of others: nothing beyond the inherited order while they are few, and more with each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdial.common.metrics import kendall_tau
from archdial.refining.correction import Correction, left_out
from archdial.refining.features import Features

KINDS = 3


def features(count: int, seed: int) -> Features:
    """Architectures whose inherited merit grows with the share of the last kind, and by chance."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(count, KINDS, generator=generator, dtype=torch.float64)
    shares = shares / shares.sum(1, keepdim=True)
    noise = torch.randn(count, generator=generator, dtype=torch.float64)
    merit = 2 * shares[:, 2] + 0.05 * noise
    return Features(merit, (noise[:, None], (shares - shares.mean(0)) / shares.std(0).norm()))


def flattered(known: Features) -> Tensor:
    """Merits after training: weights that are shared flattered the first kind."""
    return known.merit - 1.5 * known.groups[1][:, 0] + 3.0


@pytest.mark.parametrize("seed", range(3))
def test_one_member_leaves_the_inherited_order(seed: int) -> None:
    known = features(40, seed)
    expected, _ = Correction(known.at([7]), torch.tensor([0.4]))(known)
    assert expected.argsort().equal(known.merit.argsort())
    assert float(expected[7]) == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_supernet_flatters_is_learnt(seed: int) -> None:
    known = features(60, seed)
    truth = flattered(known)
    expected, spread = Correction(known.at(range(16)), truth[:16])(known)
    before = kendall_tau(known.merit[16:], truth[16:])
    after = kendall_tau(expected[16:], truth[16:])
    assert after > max(before, 0.8)
    # As unsure as it is wrong, within a factor that a handful of members allows.
    assert 0.1 < float((expected - truth)[16:].square().mean().sqrt() / spread[16:].mean()) < 4


@pytest.mark.parametrize("seed", range(3))
def test_scores_that_follow_nothing_are_not_believed(seed: int) -> None:
    known = features(60, seed)
    chance = torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected, spread = Correction(known.at(range(12)), chance)(known)
    assert float(expected[:12].std()) < float(chance.std())
    assert bool((spread > 0).all())


def test_less_is_known_far_away() -> None:
    known = features(30, 0)
    far = Features(known.merit + 50, known.groups)
    learnt = Correction(known.at(range(10)), flattered(known)[:10])
    assert float(learnt(far)[1].min()) > float(learnt(known)[1].max())


def test_a_member_that_is_left_out_tells_nothing_of_itself() -> None:
    known, merits = features(9, 1), flattered(features(9, 1))
    changed = merits.clone()
    changed[4] += 10.0
    one, other = left_out(known, merits), left_out(known, changed)
    assert float(one[4]) == float(other[4])
    assert not one[:4].equal(other[:4])


def test_equal_scores_and_equal_features_are_no_trouble() -> None:
    known = Features(torch.full((5,), 0.3, dtype=torch.float64), (torch.zeros(5, 2, dtype=torch.float64),))
    expected, spread = Correction(known, torch.full((5,), 0.8))(known)
    assert expected.tolist() == pytest.approx([0.8] * 5)
    assert bool(spread.isfinite().all())
