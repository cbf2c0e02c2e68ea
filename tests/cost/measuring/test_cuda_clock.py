"""The clock of a CUDA device, on events that are made up: no test has such a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archdial.cost.measuring.runtimes.eager import CudaClock, Eager
from archdial.cost.measuring.timing import time_callables


class Device:
    """A stream whose work takes time only when an event is waited for."""

    def __init__(self) -> None:
        self.queued = self.now = 0.0

    def work(self, milliseconds: float) -> None:
        self.queued += milliseconds

    def event(self, *, enable_timing: bool) -> Any:
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, device: Device) -> None:
        self.device, self.time, self.waited = device, -1.0, False

    def record(self, stream: object) -> None:
        assert stream == "stream of cuda:0"
        self.time = self.device.now + self.device.queued

    def synchronize(self) -> None:
        self.device.now, self.device.queued, self.waited = self.time, 0.0, True

    def elapsed_time(self, other: Event) -> float:
        assert self.waited and other.waited
        return other.time - self.time


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(torch.cuda, "Event", made.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda where: f"stream of {where}")
    return made


def test_it_waits_for_the_work_before_it(device: Device) -> None:
    clock = Eager(device="cuda:0").clock()
    assert isinstance(clock, CudaClock)
    assert clock() == 0.0
    device.work(2.0)
    device.work(3.0)
    assert clock() == pytest.approx(0.005)
    assert device.queued == 0.0
    assert clock() == pytest.approx(0.005)


def test_calls_that_only_queue_their_work_are_timed_by_it(device: Device) -> None:
    calls = [lambda: device.work(4.0), lambda: device.work(0.25)]
    timings = time_callables(calls, repeats=3, clock=Eager(device="cuda:0").clock())
    assert [timing.median_ms for timing in timings] == pytest.approx([4.0, 0.25])


def test_the_processor_has_a_clock_of_its_own() -> None:
    assert not isinstance(Eager().clock(), CudaClock)
