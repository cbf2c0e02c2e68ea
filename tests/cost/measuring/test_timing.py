"""Timing against a clock that is moved by hand."""

import numpy
import pytest
import torch

from archdial.common.errors import UsageError
from archdial.cost.measuring import rounds
from archdial.cost.measuring.rounds import levelled
from archdial.cost.measuring.timing import Timing, summary, threads, time_callables


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def call(self, name, durations):
        """A call that takes the first of `durations`, then each other three times, as a repetition is three."""
        left = [durations[0], *(duration for duration in durations[1:] for _ in range(3))]

        def run():
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_median_and_spread():
    assert summary([0.001, 0.002, 0.003, 0.004, 0.005]) == Timing(3.0, pytest.approx(2 / 3))
    assert summary([0.0, 0.0]) == Timing(0.0, 0.0)


def test_each_repetition_goes_round_all_calls():
    clock = Clock()
    calls = [clock.call("a", [0.5, 0.02]), clock.call("b", [0.03])]
    timings = time_callables(calls, repeats=3, warmup=1, clock=clock)
    assert clock.log == ["a", "a", "b", "b"] + ["a", "a", "a", "b", "b", "b"] * 3
    assert [timing.median_ms for timing in timings] == pytest.approx([20.0, 30.0])
    assert [timing.spread for timing in timings] == pytest.approx([0.0, 0.0])


def test_short_calls_are_looped():
    clock = Clock()
    (timing,) = time_callables([clock.call("a", [0.0002])], repeats=2, warmup=0, clock=clock)
    assert len(clock.log) == (1 + 2 + 4 + 8 + 16 + 32) + 2 * (1 + 32)
    assert timing.median_ms == pytest.approx(0.2)


def test_a_long_call_runs_twice_a_repetition_and_a_very_long_one_once():
    clock = Clock()
    # Every other run in a repetition is interrupted: the other one tells what the call takes.
    hit = iter([0.02, *[0.02, 0.05, 0.02] * 4])

    def call():
        clock.now += next(hit)

    timings = time_callables([call, clock.call("very long", [0.3])], repeats=4, warmup=0, retries=0, clock=clock)
    assert timings == [Timing(pytest.approx(ms), pytest.approx(0.0)) for ms in (20.0, 300.0)]
    assert clock.log == ["very long"] * (1 + 2 * 4)


@pytest.mark.parametrize("short", [0.002, 0.0002])
def test_what_interrupts_a_part_of_a_repetition_does_not_count(short):
    clock = Clock()
    runs = 0

    def call():
        nonlocal runs
        runs += 1
        # Every seventh of a repetition's pieces is hit; the first run of each is not counted.
        clock.now += short * (3 if runs % 7 == 0 else 1)

    (timing,) = time_callables([call], repeats=5, warmup=0, clock=clock)
    assert timing.median_ms == pytest.approx(1000 * short) and timing.spread == pytest.approx(0)


def test_what_is_always_so_counts():
    clock = Clock()
    number = 0

    def call():
        nonlocal number
        number += 1
        # Whole repetitions are slow, not parts of them.
        clock.now += 0.0002 * (2 if number > 63 and (number - 64) // 33 % 2 else 1)

    (timing,) = time_callables([call], repeats=8, warmup=0, retries=0, clock=clock)
    assert timing.noisy and timing.median_ms == pytest.approx(0.3)


def test_a_clock_that_stands_still_ends():
    clock = Clock()
    assert time_callables([lambda: None], repeats=1, clock=clock) == [Timing(0.0, 0.0)]


def test_progress_counts_up_to_the_total():
    clock, seen = Clock(), []
    calls = [clock.call(name, [0.01]) for name in "ab"]
    time_callables(calls, repeats=2, clock=clock, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]


QUIET, WIDE = [0.01], [0.01, 0.03, 0.01, 0.03]


def test_what_is_quiet_is_measured_once():
    clock = Clock()
    time_callables([clock.call("a", QUIET)], repeats=4, warmup=0, clock=clock)
    assert clock.log == ["a"] * (1 + 3 * 4)


def test_only_what_is_wide_is_repeated_and_its_narrowest_timing_counts():
    clock, seen = Clock(), []
    loud = clock.call("loud", [0.01, *WIDE, *WIDE, 0.02])
    calls = [clock.call("quiet", QUIET), loud]
    quiet, mended = time_callables(
        calls, repeats=4, warmup=0, clock=clock, progress=lambda done, total: seen.append((done, total))
    )
    assert clock.log == ["quiet", "loud", *[*["quiet"] * 3, *["loud"] * 3] * 4, *["loud"] * 3 * 8]
    assert quiet == Timing(pytest.approx(10.0), pytest.approx(0.0))
    assert mended == Timing(pytest.approx(20.0), pytest.approx(0.0)) and not mended.noisy
    # The bar goes up to what is known to be left, and says that all is done only when it is.
    assert seen[-1] == (18, 18) and [done for done, _ in seen[:-1]] == [*range(1, 10), *range(11, 14), *range(15, 18)]
    assert all(done < total for done, total in seen[:-1])


def test_what_stays_wide_is_given_up_and_says_so():
    clock = Clock()
    (timing,) = time_callables([clock.call("a", [0.01, *WIDE * 9])], repeats=4, warmup=0, retries=2, clock=clock)
    assert len(clock.log) == 1 + 3 * 4 * (1 + 2)
    assert timing.noisy and timing.spread == pytest.approx(1.0)


def test_a_slow_phase_that_hits_all_calls_is_taken_out():
    clock = Clock()
    # Half of the rounds are in a phase in which everything takes half as long again.
    pace = [1.0] * 4 + [1.0, 1.5, 1.5, 1.5, 1.0, 1.5, 1.0, 1.0]
    calls = [clock.call(str(n), [0.01 * n * slow for slow in [1.0, *pace[4:]]]) for n in range(1, 8)]
    timings = time_callables(calls, repeats=8, warmup=0, clock=clock)
    assert [timing.median_ms for timing in timings] == pytest.approx([10.0 * n for n in range(1, 8)])
    assert [timing.spread for timing in timings] == pytest.approx([0.0] * 7)


@pytest.mark.parametrize("last", range(18, 26))
@pytest.mark.parametrize("within", [0, 3, 4, 5, 7])
def test_a_phase_that_ends_within_a_round_is_the_same_for_all(last, within):
    rounds, calls = 30, 8
    slow = [[1.5 if (number, call) < (last, within) else 1.0 for number in range(rounds)] for call in range(calls)]
    durations = numpy.array(slow) * numpy.arange(1, calls + 1)[:, None] * 0.01
    ratios = numpy.median(levelled(durations), axis=1) / numpy.arange(1, calls + 1)
    assert ratios == pytest.approx(ratios[0])


def test_what_is_a_calls_own_noise_stays():
    clock = Clock()
    calls = [clock.call(str(n), [0.01]) for n in range(6)]
    calls.append(clock.call("loud", [0.01, *WIDE * 20]))
    *quiet, loud = time_callables(calls, repeats=8, warmup=0, retries=0, clock=clock)
    assert all(timing == Timing(pytest.approx(10.0), pytest.approx(0.0)) for timing in quiet)
    assert loud.noisy and loud.median_ms == pytest.approx(20.0)


def test_what_is_repeated_in_a_slow_phase_is_told_by_its_company():
    clock = Clock()
    # One call stutters in the first rounds; when it is repeated, all are slower.
    calls = [clock.call(str(n), [0.01] * 9 + [0.015]) for n in range(6)]
    calls.append(clock.call("loud", [0.01, *WIDE, *WIDE, 0.03]))
    *_, mended = time_callables(calls, repeats=8, warmup=0, clock=clock)
    assert mended == Timing(pytest.approx(20.0), pytest.approx(0.0))


@pytest.fixture
def five_are_many(monkeypatch):
    monkeypatch.setattr(rounds, "MANY", 5)
    monkeypatch.setattr(rounds, "_FIRST", 4)
    monkeypatch.setattr(rounds, "_LONGEST", 0.0)


@pytest.mark.usefixtures("five_are_many")
def test_of_many_calls_only_what_is_not_steady_goes_on():
    clock, seen = Clock(), []
    calls = [clock.call(str(n), QUIET) for n in range(6)]
    # Half of its repetitions take 8 % longer: of four the median is not good enough, of eight it is.
    calls.append(clock.call("loud", [0.01, *[0.01, 0.0108] * 20]))
    timings = time_callables(
        calls, repeats=12, warmup=0, clock=clock, progress=lambda done, total: seen.append((done, total))
    )
    assert clock.log.count("loud") == 1 + 3 * 8
    # Five of them tell the pace meanwhile.
    assert sorted(clock.log.count(str(n)) for n in range(6)) == [1 + 3 * 4] + [1 + 3 * 8] * 5
    assert timings[-1].median_ms == pytest.approx(10.4) and not timings[-1].noisy
    assert seen[-1][0] == seen[-1][1] and all(done < total for done, total in seen[:-1])


@pytest.mark.usefixtures("five_are_many")
def test_many_calls_that_are_steady_take_few_rounds_each():
    clock = Clock()
    timings = time_callables([clock.call(str(n), [0.01 * (n + 1)]) for n in range(6)], warmup=0, clock=clock)
    assert [clock.log.count(str(n)) for n in range(6)] == [1 + 3 * 4] * 6
    assert [timing.median_ms for timing in timings] == pytest.approx([10.0 * (n + 1) for n in range(6)])


@pytest.mark.usefixtures("five_are_many")
def test_a_longer_one_of_many_has_all_its_pieces(monkeypatch):
    monkeypatch.setattr(rounds, "_LONGEST", 0.05)
    clock = Clock()
    calls = [clock.call(str(n), [duration]) for n, duration in enumerate([0.002, 0.02, 0.1, 0.1, 0.1, 0.1])]
    time_callables(calls, warmup=0, clock=clock)
    assert clock.log.count("0") == (1 + 2 + 4) + 4 * (1 + 16)
    assert clock.log.count("1") == 1 + 4 * (1 + 2) and clock.log.count("2") == 1 + 4 * (1 + 2)


@pytest.mark.usefixtures("five_are_many")
def test_fewer_repetitions_than_the_first_rounds_are_all():
    clock = Clock()
    time_callables([clock.call(str(n), QUIET) for n in range(6)], repeats=2, warmup=0, clock=clock)
    assert [clock.log.count(str(n)) for n in range(6)] == [1 + 3 * 2] * 6


def test_threads_are_restored_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_out_of_range_is_refused():
    with pytest.raises(UsageError, match="threads is 0"), threads(0):
        pass
    with pytest.raises(UsageError, match="repeats is 0"):
        time_callables([], repeats=0)
