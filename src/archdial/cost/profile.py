"""Measuring networks: the cost table of a supernet from its parts, and the latency of whole modules."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor, nn

from archdial.cost import machine, timing
from archdial.cost.counting import Counts, count
from archdial.cost.runtimes import Runtime
from archdial.cost.runtimes import runtime as named
from archdial.cost.table import CostEntry, CostTable, CostTerm
from archdial.cost.timing import Progress, Timing
from archdial.errors import RunError
from archdial.networks.base import Part, Supernet, TermPlan
from archdial.space import Space

Subject = tuple[nn.Module, tuple[int, ...]]


@dataclass(frozen=True)
class _Cost:
    timing: Timing
    counts: Counts


def profile(
    network: Supernet,
    *,
    runtime: str = "eager",
    batch_size: int = 1,
    threads: int = 1,
    repeats: int = timing.REPEATS,
    device: str = "cpu",
    progress: Progress | None = None,
) -> CostTable:
    """Return the cost table of `network`: each distinct part is measured once and alone.

    Args:
        network: left as it was; copies of its parts are measured, in evaluation mode and float32.
        runtime: name of a runtime.
        batch_size: inputs a batch; latencies are milliseconds for one batch.
        threads: threads that one call may use.
        repeats: repetitions of which the median is taken.
        device: "cpu", "cuda" or "cuda:N".
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: an argument is out of range, or there is no such runtime or device.
        RunError: a part does not run.
    """
    began = time.perf_counter()
    setup = _Setup.of(runtime, batch_size, threads, repeats, device)
    plans = _complete(network.space, network.terms())
    costs = _costs(_distinct(plans), setup, progress)
    header = {**setup.header(), "date": _now(), "seconds": round(time.perf_counter() - began, 3)}
    terms = tuple(CostTerm(plan.choices, _entries(network.space, plan, costs)) for plan in plans)
    return CostTable(network.space.fingerprint, header, terms)


def measure(
    module: nn.Module,
    input_shape: tuple[int, ...],
    *,
    batch_size: int = 1,
    threads: int = 1,
    runtime: str = "eager",
    device: str = "cpu",
    repeats: int = timing.REPEATS,
) -> Timing:
    """Return what one batch takes in `module`; `input_shape` is without batch, the rest as in `profile`."""
    setup = _Setup.of(runtime, batch_size, threads, repeats, device)
    return setup.time([Part("", module, input_shape)])[0]


def measure_many(
    subjects: Sequence[Subject],
    *,
    batch_size: int = 1,
    threads: int = 1,
    runtime: str = "eager",
    device: str = "cpu",
    repeats: int = timing.REPEATS,
    progress: Progress | None = None,
) -> list[Timing]:
    """Return what one batch takes in each of several (module, input_shape), their repetitions interleaved."""
    return _Setup.of(runtime, batch_size, threads, repeats, device).time(
        [Part("", module, shape) for module, shape in subjects], progress
    )


@dataclass(frozen=True)
class _Setup:
    """The checked arguments of a measurement."""

    runtime: Runtime
    batch_size: int
    threads: int
    repeats: int
    device: torch.device

    @classmethod
    def of(cls, runtime: str, batch_size: int, threads: int, repeats: int, device: str) -> _Setup:
        for name, value in (("batch_size", batch_size), ("threads", threads), ("repeats", repeats)):
            timing.at_least_one(name, value)
        return cls(named(runtime), batch_size, threads, repeats, machine.device(device))

    def time(self, subjects: Sequence[Part], progress: Progress | None = None) -> list[Timing]:
        with timing.threads(self.threads):
            calls = [self.prepare(part) for part in subjects]
            with torch.inference_mode():
                return timing.time_callables(calls, repeats=self.repeats, progress=progress)

    def prepare(self, part: Part) -> timing.Call:
        dimensions = part.batch_dimensions or (0,) * len(part.inputs)
        batches = [repeated(t, self.batch_size, d) for t, d in zip(part.inputs, dimensions, strict=True)]
        examples = batches or [self._random(part.input_shape)]
        module = copy.deepcopy(part.module).float()
        return self.runtime.prepare(module, *(example.to(self.device) for example in examples))

    def _random(self, input_shape: tuple[int, ...]) -> Tensor:
        # Random rather than zero: some kernels are faster on zeros, and denormals are as rare as in use.
        generator = torch.Generator().manual_seed(0)
        return self.runtime.laid_out(torch.randn(self.batch_size, *input_shape, generator=generator))

    def header(self) -> dict[str, Any]:
        return {
            **machine.describe(self.device),
            "runtime": self.runtime.name,
            "threads": self.threads,
            "batch_size": self.batch_size,
            "repeats": self.repeats,
            "dtype": "float32",
            "layout": self.runtime.layout,
        }


def repeated(tensor: Tensor, batch_size: int, dimension: int | None = 0) -> Tensor:
    """Return what `tensor` is for a batch: so many times as much in `dimension`, each in the memory layout it had."""
    tensor = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    if dimension is None or batch_size == 1:
        return tensor
    if tensor.shape[dimension] != 1 or not tensor.numel() or 0 in tensor.stride():
        # What was expanded has one place in memory for several elements, and cannot be written to.
        return torch.cat([tensor] * batch_size, dimension)
    one = tensor.movedim(dimension, 0)
    outermost = 1 + sum((size - 1) * stride for size, stride in zip(one.shape[1:], one.stride()[1:], strict=True))
    strides = (max(outermost, one.numel()), *one.stride()[1:])
    batch = torch.empty_strided((batch_size, *one.shape[1:]), strides, dtype=one.dtype, device=one.device)
    return batch.copy_(one.expand(batch_size, *one.shape[1:])).movedim(0, dimension)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _complete(space: Space, plans: Iterable[TermPlan]) -> list[TermPlan]:
    """Add an empty term for each choice that no plan names, so that the table prices every option."""
    found = list(plans)
    named_choices = {name for plan in found for name in plan.choices}
    return found + [TermPlan((c.name,), {}) for c in space.choices if c.name not in named_choices]


def _distinct(plans: Iterable[TermPlan]) -> list[Part]:
    entries = itertools.chain.from_iterable(plan.entries.values() for plan in plans)
    return list({part.key: part for part in itertools.chain.from_iterable(entries)}.values())


def _costs(parts: Sequence[Part], setup: _Setup, progress: Progress | None) -> dict[str, _Cost]:
    counts = [_count(part) for part in parts]
    timings = setup.time(parts, progress)
    return {p.key: _Cost(t, c) for p, t, c in zip(parts, timings, counts, strict=True)}


def _count(part: Part) -> Counts:
    try:
        return count(part.module, part.input_shape, part.inputs)
    except RuntimeError as error:
        raise RunError(f"part {part.key!r} does not run on an input of shape {part.input_shape}: {error}") from error


def _entries(space: Space, plan: TermPlan, costs: Mapping[str, _Cost]) -> tuple[CostEntry, ...]:
    entries = dict(plan.entries)
    if len(plan.choices) == 1:
        options = space.choices[space.index(plan.choices[0])].options
        entries = {(option,): entries.get((option,), ()) for option in options} | entries
    return tuple(_sum(options, parts, costs) for options, parts in entries.items())


def _sum(options: tuple[str, ...], parts: Sequence[Part], known: Mapping[str, _Cost]) -> CostEntry:
    """Return the cost of parts that run one after another; parameters of a module that two of them call count once.

    Their interquartile ranges add up: interleaved parts meet the same slow phases, so they vary together.
    """
    costs = [known[part.key] for part in parts]
    owned = {id(parameter): parameter.numel() for part in parts for parameter in part.module.parameters()}
    latency = sum(cost.timing.median_ms for cost in costs)
    width = sum(cost.timing.median_ms * cost.timing.spread for cost in costs)
    return CostEntry(
        options,
        float(latency),
        width / latency if latency > 0 else 0.0,
        sum(owned.values()),
        sum(cost.counts.flops for cost in costs),
        sum(cost.counts.bytes for cost in costs),
    )
