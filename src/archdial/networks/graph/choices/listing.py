"""The gates of a network as a table: what each drops, what that means, and what it weighs."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from io import StringIO

import torch
from rich.console import Console
from rich.table import Table

from archdial.networks.graph.choices.gates import DROP, KEEP, Gate
from archdial.networks.supernet import Part, TermPlan

WIDTH = 120

RUNS = 5
"""Timed runs of each part: a glance, to see which gates matter. The search goes by a cost table."""

Parts = tuple[Part, ...]


def listed(
    gates: Sequence[Gate], plans: Sequence[TermPlan], opaque: Sequence[str], how: str, left_out: Sequence[str] = ()
) -> str:
    """Return the table as text; times and parameters are what goes when a gate alone is dropped."""
    table = Table(title=f"{len(gates)} gates, captured by torch.{'export' if how == 'export' else 'fx'}")
    for heading in ("gate", "kind", "dropped it is"):
        table.add_column(heading, overflow="fold")
    for heading in ("operations", "ms", "parameters"):
        table.add_column(heading, justify="right")
    times = _glance(plans)
    for gate in gates:
        meaning = "/".join(dict.fromkeys(operation.meaning for operation in gate.operations))
        spent = _saved(gate.name, plans, lambda parts: sum(times[part.key] for part in parts))
        weight = _saved(gate.name, plans, _parameters)
        table.add_row(gate.name, gate.kind, meaning, str(len(gate.operations)), f"{spent:.3f}", f"{round(weight):,}")
    text = StringIO()
    console = Console(file=text, width=WIDTH, color_system=None)
    console.print(table)
    threads = torch.get_num_threads()
    console.print(f"ms: medians of {RUNS} runs of one input here, {threads} threads; a cost table measures better")
    for name in opaque:
        console.print(f"{name} could not be entered: one operation")
    if left_out:
        console.print(f"outputs left out: {', '.join(left_out)}; name what you need by outputs=(…)")
    return text.getvalue().rstrip()


def _saved(name: str, plans: Sequence[TermPlan], measure: Callable[[Parts], float]) -> float:
    """Return what `measure` gives less when this gate alone is dropped."""
    total = 0.0
    for plan in plans:
        if name in plan.choices:
            every = (KEEP,) * len(plan.choices)
            without = tuple(DROP if choice == name else KEEP for choice in plan.choices)
            total += measure(plan.under(every)) - measure(plan.under(without))
    return total


def _parameters(parts: Parts) -> int:
    return sum(p.numel() for p in {p for part in parts for p in part.module.parameters()})


@torch.inference_mode()
def _glance(plans: Sequence[TermPlan]) -> Mapping[str, float]:
    """Return the milliseconds of each distinct part, by key."""
    found: dict[str, float] = {}
    for plan in plans:
        for parts in plan.entries.values():
            for part in parts:
                if part.key not in found:
                    found[part.key] = _milliseconds(part)
    return found


def _milliseconds(part: Part) -> float:
    # A copy: in training mode the network's own would change its statistics.
    module, times = copy.deepcopy(part.module).eval(), []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        module(*part.inputs)
        times.append(1e3 * (time.perf_counter() - started))
    # The first run only warms up.
    return statistics.median(times[1:])
