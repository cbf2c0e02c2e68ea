"""Fitting whole networks: what is known is found again, and what cannot be known is not made up."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest

from archdial.cost.table.fit import Agreement, Fit, fit

# Ten convolutions of two sizes, and activations: what each takes alone.
ALONE = {"conv a": 0.05, "conv b": 0.09, "relu a": 0.012, "relu b": 0.014, "never": 0.03}
KINDS = {"conv a": "conv", "conv b": "conv", "relu a": "relu", "relu b": "relu", "never": "conv"}
LAUNCH = 0.01


def networks(count: int, seed: int = 0) -> list[Counter[str]]:
    generator = numpy.random.default_rng(seed)
    keys = [key for key in ALONE if key != "never"]
    return [Counter({key: int(generator.integers(0, 8)) for key in keys}) for _ in range(count)]


def took(network: Counter[str], noise: float = 0.0) -> float:
    """A runtime that computes convolutions in 0.9 of the time, nearly fuses activations, and has launches of 2 µs."""
    work = {"conv": 0.9, "relu": 0.1}
    parts = sum(n * (work[KINDS[key]] * (ALONE[key] - LAUNCH) + 0.002) for key, n in network.items())
    return (0.03 + parts) * (1.0 + noise)


def predicted(found: Fit, network: Counter[str]) -> float:
    return found.constant_ms + sum(n * found.parts_ms[key] for key, n in network.items())


def test_what_a_runtime_does_with_the_parts_is_found() -> None:
    seen = networks(40)
    found = fit(seen, [took(network) for network in seen], ALONE, KINDS, LAUNCH)
    for network in networks(20, seed=1):
        assert predicted(found, network) == pytest.approx(took(network), rel=0.005)
    assert found.held_out.mean_error < 0.005 and found.held_out.within == 1.0 and found.held_out.kendall > 0.98
    assert found.plain.mean_error > 0.2
    assert found.networks == 40 and set(found.scales) == {"conv", "relu"} and set(found.parts_ms) == set(ALONE)
    # No network told anything of it but the rule of its kind.
    assert found.parts_ms["never"] == pytest.approx(
        found.scales["conv"] * (ALONE["never"] - LAUNCH) + found.launches_ms["conv"], rel=1e-6
    )


def test_a_part_off_the_rule_of_its_kind_is_found() -> None:
    seen = networks(40)
    measured = [took(network) + 0.02 * network["conv b"] for network in seen]
    found = fit(seen, measured, ALONE, KINDS, LAUNCH)
    assert found.parts_ms["conv b"] == pytest.approx(0.9 * 0.08 + 0.002 + 0.02, rel=0.05)
    assert found.parts_ms["conv a"] == pytest.approx(0.9 * 0.04 + 0.002, rel=0.05)


def test_noise_is_told_by_what_is_held_out() -> None:
    seen, generator = networks(40), numpy.random.default_rng(0)
    found = fit(seen, [took(network, generator.normal(0, 0.1)) for network in seen], ALONE, KINDS, LAUNCH)
    assert 0.04 < found.held_out.mean_error < 0.15
    assert sum(abs(predicted(found, n) / took(n) - 1) for n in networks(20, seed=1)) / 20 < found.held_out.mean_error


def test_nothing_takes_less_than_nothing() -> None:
    seen = networks(12)
    found = fit(seen, [1.0 / (1 + sum(network.values())) for network in seen], ALONE, KINDS, LAUNCH)
    values = (found.constant_ms, *found.scales.values(), *found.launches_ms.values(), *found.parts_ms.values())
    assert all(numpy.isfinite(value) and value >= 0 for value in values)


def test_networks_of_nothing_have_their_constant() -> None:
    found = fit([Counter()] * 10, [0.5] * 10, ALONE, KINDS, LAUNCH)
    assert found.constant_ms == pytest.approx(0.5)


def test_agreement() -> None:
    found = Agreement.of([1.0, 2.1, 2.0], [1.0, 2.0, 4.0])
    assert found.mean_error == pytest.approx((0 + 0.05 + 0.5) / 3) and found.kendall == pytest.approx(1 / 3)
    assert found.within == pytest.approx(2 / 3)
    assert Agreement.of([1.0, 1.0], [1.0, 2.0]).kendall == 0.0


def test_a_part_that_takes_nothing_is_borne() -> None:
    seen = networks(20)
    found = fit(seen, [took(network) for network in seen], {**ALONE, "relu b": 0.0}, KINDS, LAUNCH)
    assert all(numpy.isfinite(value) and value >= 0 for value in found.parts_ms.values())
