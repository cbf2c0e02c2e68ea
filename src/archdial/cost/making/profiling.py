"""Measuring networks: the cost table of a supernet from its parts, and the latency of whole modules."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from torch import nn

from archdial.common.errors import NoisyMeasurement
from archdial.cost.making.assembly import Plan
from archdial.cost.making.sampling import sampled
from archdial.cost.measuring import timing
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.timing import Progress, Timing
from archdial.cost.table.doubt import warn_doubt
from archdial.cost.table.table import CostTable
from archdial.networks.example import Inputs, Shapes
from archdial.networks.supernet import Supernet, part_on

_SHOWN = 3
Subject = tuple[nn.Module, Inputs | tuple[int, ...]]


def profile(
    network: Supernet,
    *,
    runtime: str = "eager",
    batch_size: int = 1,
    threads: int = 1,
    repeats: int = timing.REPEATS,
    device: str = "cpu",
    networks: int | None = None,
    shapes: Shapes | None = None,
    progress: Progress | None = None,
) -> CostTable:
    """Return the cost table of `network`: each distinct part is measured once, in isolation, all in one new process.

    In the same rounds, a few whole networks are measured to fit what the sum of the parts misses (see `fit`): runtimes
    fuse parts, and each isolated part pays for its launch.

    With more than 150 parts, large families are measured only partly (see `Part.family`), and a surface predicts the
    rest: these are marked as predicted, and the header reports the error on held-out ones under "interpolated".

    If a table mispredicts held-out whole networks, or has none, a DoubtfulTable warning is issued, and the header
    says so under "doubt".

    Parts that stay too noisy after repeated measurement cause a NoisyMeasurement warning, and their keys are listed
    under "noisy" in the header.

    Args:
        network: not modified; copies of its parts are measured, in evaluation mode and float32.
        runtime: eager, compiled, onnxruntime, openvino or executorch.
        batch_size: inputs per batch; latencies are milliseconds for one batch.
        threads: threads per call.
        repeats: repetitions; the median counts.
        device: "cpu", "cuda" or "cuda:N".
        networks: maximum number of whole networks; by default as many as there are parts, from 32 to 64;
            with fewer than 10, nothing is fitted.
        shapes: input shape without the batch, or shapes by name for inputs that differ from the example, such as longer
            texts; for pruned networks that accept other lengths.
        progress: called with (steps done, total steps).

    Raises:
        UsageError: an argument is out of range, the network does not run at these shapes, there is no such runtime or
            device, or its libraries are missing.
        RunError: a part fails, or fails on this runtime.
    """
    began = time.perf_counter()
    conditions = Conditions.of(runtime, batch_size, threads, repeats, device)
    plan = Plan.of(network if shapes is None else network.at(shapes), networks, [conditions.runtime])
    found = sampled(conditions, plan.parts(), plan.wholes(), progress)
    measured = {key: timing for key, timing in found.timings.items() if key not in found.predicted}
    header = {
        **conditions.header(),
        **({} if shapes is None else {"shapes": _plain(shapes)}),
        **_quality(measured),
        **found.header(),
        "date": _now(),
        "seconds": round(time.perf_counter() - began, 3),
    }
    warn_noisy(header["noisy"], len(measured))
    table = plan.table(found.timings, header, found.predicted)
    warn_doubt(table, "the table")
    return replace(table, runtime={**table.runtime, "doubt": table.doubt}) if table.doubt else table


def _plain(shapes: Shapes) -> Any:
    return {k: list(v) for k, v in shapes.items()} if isinstance(shapes, Mapping) else list(shapes)


def measure(
    module: nn.Module,
    inputs: Inputs | tuple[int, ...],
    *,
    batch_size: int = 1,
    threads: int = 1,
    runtime: str = "eager",
    device: str = "cpu",
    repeats: int = timing.REPEATS,
) -> Timing:
    """Return what one batch takes in `module`.

    Args:
        inputs: one input (1, …), in the order in which `module` takes its tensors; or the shape of one, without batch.

    The rest is as in `profile`.
    """
    conditions = Conditions.of(runtime, batch_size, threads, repeats, device)
    return conditions.time([part_on("network", module, inputs)])[0]


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
    """Return what one batch takes in each of several (module, inputs), their repetitions interleaved."""
    return Conditions.of(runtime, batch_size, threads, repeats, device).time(
        [part_on(f"network {number}", *subject) for number, subject in enumerate(subjects)], progress
    )


def warn_noisy(names: Sequence[str], count: int) -> None:
    """Warn of what is called `names` among `count` measurements, if any, as NoisyMeasurement."""
    if not names:
        return
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    warnings.warn(
        f"{len(names)} of {count} latencies still spread by more than {timing.WIDE:.0%} after repeated measurement "
        f"({shown}): close other programs and measure again, or use fewer threads",
        NoisyMeasurement,
        stacklevel=3,
    )


def _quality(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Return how far the measurement can be trusted: the median of the spreads, and what is too wide."""
    spreads = [timing.spread for timing in timings.values()]
    return {
        "spread": round(statistics.median(spreads), 4) if spreads else 0.0,
        "noisy": [key for key, timing in timings.items() if timing.noisy],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
