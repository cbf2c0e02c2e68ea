"""The choices on a network as a table: what each drops or narrows, what that means, and what it saves."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from typing import Protocol

import torch
from rich.console import Console
from rich.table import Table

from archdial.common.errors import cut
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.supernet import Part, TermPlan
from archdial.space import Space

WIDTH = 120

RUNS = 5
"""Timed runs of each part: a glance, to see which gates matter. The search goes by a cost table."""

LITTLE = 0.1
"""Of what the whole costs: where all choices together save less, a search is hardly worth it, which is told."""

UNITS = {"attention": "heads", "convolution": "channels", "stream": "channels"}
"""What the units of a group are called; hidden units otherwise."""

Parts = tuple[Part, ...]


class Listed(Protocol):
    """What is read of a network with choices."""

    choices: tuple[GraphChoice, ...]
    widths: Widths
    space: Space
    opaque: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def kept_in_float(self) -> tuple[str, ...]:
        """Layers without a precision, where others have one."""

    def terms(self) -> list[TermPlan]:
        """Return the terms of its cost."""


def listed(network: Listed, how: str) -> str:
    """Return the table as text; times and parameters are what goes when one choice alone takes its least option."""
    choices, plans = network.choices, network.terms()
    slim = any(choice.groups or choice.nodes for choice in choices)
    table = Table(title=f"{len(choices)} {'choices' if slim else 'gates'}, captured by torch.{how}")
    for heading in ("choice", "kind", "widths", "at minimum") if slim else ("gate", "kind", "when dropped"):
        table.add_column(heading, overflow="fold")
    for heading in ("members" if slim else "operations", "ms", "parameters"):
        table.add_column(heading, justify="right")
    glance = _Glance(plans, network.space, [row for row, choice in enumerate(choices) if not choice.nodes])
    for row, choice in enumerate(choices):
        widths = [_widths(choice, network.widths)] if slim else []
        # In eight bits PyTorch computes in float, and rounds: what that takes says nothing of a runtime.
        spent, weight = glance.saved({row}) if not choice.nodes else (None, 0)
        members = (
            len(choice.nodes)
            + len(choice.operations)
            + sum(len(network.widths.groups[one].members) for one in choice.groups)
        )
        cells = (
            choice.name,
            choice.kind,
            *widths,
            choice.meaning,
            str(members),
            "—" if spent is None else f"{spent:.3f}",
            f"{weight:,}",
        )
        table.add_row(*cells)
    text = StringIO()
    # In a notebook, rich would show the table instead of writing it to the file.
    console = Console(file=text, width=WIDTH, color_system=None, force_jupyter=False)
    console.print(table)
    threads = torch.get_num_threads()
    console.print(
        f"ms: median of {RUNS} runs on this machine, batch size 1, {threads} threads; a cost table is more precise"
    )
    for note in _notes(network, glance, slim=slim):
        console.print(note)
    return text.getvalue().rstrip()


def _notes(network: Listed, glance: _Glance, *, slim: bool) -> Iterator[str]:
    share = glance.least / glance.whole if glance.whole else 1.0
    if share > 1 - LITTLE:
        rest = "little can be narrowed here" if slim else "archdial.choices(…, width=…) may save more"
        yield f"the smallest member still takes {share:.0%} of the whole network's time: {rest}"
    for name in network.opaque:
        yield f"{name} could not be traced into and counts as one operation"
    if network.kept_in_float:
        yield f"kept in float32: {cut(', '.join(network.kept_in_float), 200)}"
    if network.left_out:
        yield f"outputs omitted: {', '.join(network.left_out)}; select the ones you need with outputs=(…)"


def _widths(choice: GraphChoice, widths: Widths) -> str:
    """Return how many units of each group, and of what, the options of `choice` keep."""
    found = []
    for number in choice.groups:
        group = widths.groups[number]
        kept = dict.fromkeys(choice.counts(option).get(number, 0) for option in range(len(choice.choice.options)))
        found.append(f"{'/'.join(map(str, kept))} {UNITS.get(group.kind, 'hidden units')}")
    return ", ".join(dict.fromkeys(found))


class _Glance:
    """Times and parameters of a network as its choices are taken, each part timed a few times when it is asked for."""

    def __init__(self, plans: Sequence[TermPlan], space: Space, rows: Collection[int]) -> None:
        self._plans, self._space, self._times = plans, space, dict[str, float]()
        self._rows = [[space.index(name) for name in plan.choices] for plan in plans]
        self.whole = self._all(())
        self.least = self._all(rows)

    def saved(self, rows: Collection[int]) -> tuple[float, int]:
        """Return milliseconds and parameters less than the whole where the choices `rows` take their least options."""
        time, weight = 0.0, 0
        for plan, own in zip(self._plans, self._rows, strict=True):
            if any(row in rows for row in own):
                before, after = plan.under(self._options(own, ())), plan.under(self._options(own, rows))
                time += self._milliseconds(before) - self._milliseconds(after)
                weight += _parameters(before) - _parameters(after)
        return time, weight

    def _all(self, rows: Collection[int]) -> float:
        plans = zip(self._plans, self._rows, strict=True)
        return sum(self._milliseconds(plan.under(self._options(own, rows))) for plan, own in plans)

    def _options(self, own: Sequence[int], least: Collection[int]) -> tuple[str, ...]:
        return tuple(self._space.choices[row].options[-1 if row in least else 0] for row in own)

    def _milliseconds(self, parts: Parts) -> float:
        for part in parts:
            if part.key not in self._times:
                self._times[part.key] = _milliseconds(part)
        return sum(self._times[part.key] for part in parts)


def _parameters(parts: Parts) -> int:
    return sum(p.numel() for p in {p for part in parts for p in part.module.parameters()})


@torch.inference_mode()
def _milliseconds(part: Part) -> float:
    # A copy: in training mode the network's own would change its statistics.
    module, times = copy.deepcopy(part.module).eval(), []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        module(*part.inputs)
        times.append(1e3 * (time.perf_counter() - started))
    # The first run only warms up.
    return statistics.median(times[1:])
