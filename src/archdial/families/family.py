"""The result of a search: turn the dial, set a budget, take the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.progress import Bar, NoBar
from archdial.cost.pricing.expected import ExpectedCost, by_column
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.doubt import warn_doubt
from archdial.cost.table.margin import CONFIDENCE, residuals_of
from archdial.cost.table.several import Tables
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import PEAK
from archdial.data import Normalize
from archdial.dial import Dial
from archdial.families.budgets import LATENCY, Asked
from archdial.families.chooser import Chooser
from archdial.families.evaluated import examples_in
from archdial.families.hardware import Answering, Devices
from archdial.families.member import Member
from archdial.families.refined import Refinement
from archdial.families.within import best_within
from archdial.hypernet import Hypernetwork
from archdial.networks.supernet import Supernet
from archdial.searching.candidates import at_positions, front
from archdial.searching.evaluation import EVALUATED, Evaluated, Judged
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture, Space
from archdial.tasks.images import ImageClassification
from archdial.tasks.task import Task

Position = float | list[float] | tuple[float, ...] | Tensor


@dataclass(eq=False)
class Family:
    """Space, trained supernet, hypernetwork and dial, with everything that was evaluated during the search.

    Attributes:
        network: the trained supernet.
        hypernet: from dial positions to architectures.
        dial: what `at` turns.
        predictor: from architectures to errors with inherited weights.
        table: costs on the current device, in ms, parameters, FLOPs and bytes.
        classes: names of the classes, if the task has any.
        column: the column of the table that the dial trades off against the score.
        normalize: from pixels to inputs, if the family is for images; otherwise None.
        calibration: training images uint8 (n, c, h, w) for BatchNorm statistics; for other tasks, batches of inputs.
        archive: what was evaluated with the final weights; compared by all views if the search used several.
        own_task: the task, unless it is classifying images in memory by accuracy.
        info: config, seed, versions, device and data of the search, as JSON.
        device: name of the current device, one of `devices`; table, dial and hypernet belong to it.
        devices: all devices, if there are several.
        refinement: the results of training members individually, which the family uses if it was refined.
    """

    network: Supernet
    hypernet: Hypernetwork
    dial: Dial
    predictor: ErrorPredictor
    table: CostTable
    normalize: Normalize | None
    calibration: Tensor | tuple[Any, ...]
    archive: tuple[Evaluated, ...]
    classes: tuple[str, ...]
    column: str = "latency_ms"
    info: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    devices: Devices | None = None
    own_task: Task | None = None
    refinement: Refinement | None = None

    @property
    def space(self) -> Space:
        """The choices of the supernet."""
        return self.network.space

    @property
    def task(self) -> Task:
        """What its members are for."""
        if self.own_task is not None:
            return self.own_task
        assert self.normalize is not None
        return ImageClassification(self.normalize, len(self.classes))

    @property
    def calibrating(self) -> Sequence[Any]:
        """Batches of network inputs (n, …) for BatchNorm statistics."""
        if isinstance(self.calibration, Tensor):
            assert self.normalize is not None
            return torch.split(self.normalize(self.calibration), EVALUATED)
        return self.calibration

    @cached_property
    def costs(self) -> dict[str, ExpectedCost]:
        """The cost of an architecture, by column of the table."""
        return by_column(self.space, self.table)

    @cached_property
    def peak(self) -> PeakCost | None:
        """The peak memory of an architecture, in bytes; None with a table from an older archdial."""
        return PeakCost(self.space, self.table) if self.table.has(PEAK) else None

    @cached_property
    def residuals(self) -> tuple[float, ...]:
        """Relative errors of the table on held-out whole networks; see `cost.table.margin`."""
        return residuals_of(self.table)

    @property
    def examples(self) -> int | None:
        """Number of examples on which scores were measured; None if unknown."""
        # Scores after training are mostly foretold, and what these are off by no number of examples tells.
        return None if self.refinement else examples_in(self.info, images=self.normalize is not None)

    @cached_property
    def chooser(self) -> Chooser:
        """What answers budgets and positions: it chooses among architectures, with their known scores."""
        costs: dict[str, ExpectedCost | PeakCost] = dict(self.costs)
        if self.peak is not None:
            costs[PEAK] = self.peak
        measure, known = self.task.measure, {item.architecture: item for item in self.judged}
        return Chooser(self.space, self.hypernet, self.dial, self.ranker, measure, costs, known)

    @cached_property
    def _known(self) -> dict[Architecture, Evaluated]:
        return {item.architecture: item for item in self.archive}

    @property
    def judged(self) -> Sequence[Judged]:
        """Scores used by dial, budgets and front: as evaluated, or after training in a refined family."""
        return self.archive if self.refinement is None else self.refinement.claims

    @property
    def ranker(self) -> ErrorPredictor:
        """The predictor used by dial and budgets."""
        return self.predictor if self.refinement is None else self.refinement.predictor

    @property
    def tables(self) -> Tables:
        """The table, or those of all devices by name."""
        return self.table if self.devices is None else self.devices.tables

    @property
    def device_names(self) -> list[str]:
        """Names of all devices that it can answer for; empty if it was searched for one device."""
        return [] if self.devices is None else list(self.devices.each)

    @property
    def shared_hypernet(self) -> Hypernetwork:
        """The hypernetwork with the parameters; with several devices, it also reads the device's code."""
        return self.hypernet if self.devices is None else self.devices.hypernet

    @cached_property
    def _views(self) -> dict[str, Family]:
        return {}

    def on(self, device: str | None) -> Family:
        """Return the family for the device of that name; None means the current one.

        Raises:
            UsageError: there is no such device.
        """
        if device in (None, self.device):
            return self
        if self.devices is None:
            raise UsageError(f"device {device!r}: this family is for one device; omit it, or call add_device first")
        assert device is not None
        if device not in self._views:
            self._views[device] = self.answering(self.devices.view(device))
        return self._views[device]

    def answering(self, what: Answering) -> Family:
        """Return the family with table, dial and hypernetwork of `what`; everything else is shared."""
        return replace(
            self, table=what.table, dial=what.dial, hypernet=what.hypernet, device=what.device, devices=what.devices
        )

    def at(self, position: Position, *, device: str | None = None) -> Member:
        """Return the member at a dial position, such as λ; `device` is as in `on`.

        Raises:
            UsageError: the position is outside the dial, or there is no such device.
        """
        family = self.on(device)
        z = family.dial.position(position)
        chosen = at_positions(family.space, family.hypernet, family.dial, z[None])[0]
        return family.member(chosen, family.dial.value(z))

    def along(self, count: int = 24) -> list[Member]:
        """Return the members on a grid of about `count` dial positions."""
        grid = self.dial.grid(count)
        chosen = at_positions(self.space, self.hypernet, self.dial, grid)
        return [self.member(a, self.dial.value(z)) for z, a in zip(grid, chosen, strict=True)]

    def within(
        self,
        *,
        latency_ms: float | None = None,
        params: float | None = None,
        flops: float | None = None,
        size_bytes: float | None = None,
        peak_bytes: float | None = None,
        device: str | None = None,
        confidence: float = CONFIDENCE,
        measured: bool = False,
        bar: Bar | NoBar | None = None,
    ) -> Member:
        """Return the most accurate member found whose cost meets every budget given.

        Candidates are all evaluated architectures, those along the dial, what the hypernetwork considers likely there,
        and neighbours of the best of these. One that was not evaluated must exceed the best evaluated one by one
        standard deviation of the predictor.

        A latency budget keeps a margin derived from the table's errors on held-out whole networks (see
        `cost.table.margin`). `member.promise` contains the promise, `member.cheaper` a cheaper member that is as good
        within one standard error of the evaluation, if there is one.

        Args:
            latency_ms: latency of one batch, as defined by the cost table.
            params: parameters of the whole module.
            flops: FLOPs of one input.
            size_bytes: bytes of parameters and buffers, as stored in a weights file.
            peak_bytes: maximum that one operator reads and writes at once for one input, excluding weights.
            device: the device that the latency is for, if there are several.
            confidence: that a member takes at most `latency_ms`, from 0.5 (no margin) to below 1. Counted budgets are
                exact and need none.
            measured: build the best candidates, time them on this machine, and return the most accurate one that meets
                the budget, regardless of the margin. Takes seconds to minutes, depending on the runtime.
            bar: shows the progress of the measurement.

        Raises:
            UsageError: no budget is given, the table lacks its column, or it cannot be met, or only without the margin;
                the message names the reachable range. Or the confidence is invalid, or there is nothing to measure.
            RunError: a candidate fails on the table's runtime.
        """
        limits = {LATENCY: latency_ms, "parameters": params, "flops": flops, "size_bytes": size_bytes, PEAK: peak_bytes}
        given = {column: float(value) for column, value in limits.items() if value is not None}
        asked, answering = Asked(given, confidence, measured), self.on(device)
        if latency_ms is not None:
            warn_doubt(answering.table, "the cost table, by which milliseconds are told,")
        return best_within(answering, asked, bar)

    def front(self) -> list[Member]:
        """Return the evaluated members that no other beats in both score and cost, cheapest first.

        In a refined family, the score is that after individual training, measured or predicted.
        """
        found = front(self.judged, self.costs[self.column])
        return [self.member(item.architecture, self.position_of(item.architecture)) for item in found]

    def member(self, architecture: Architecture, dial: float | list[float] | None = None) -> Member:
        """Return `architecture` as a member, its score measured in the search, or else predicted.

        Raises:
            UsageError: the architecture is not of this space.
        """
        self.space.check(architecture)
        architecture = self.network.canonical(architecture)
        known = self._known.get(architecture)
        costs = {column: cost.of(architecture) for column, cost in self.costs.items()}
        return Member(
            family=self,
            architecture=architecture,
            dial=dial,
            score=self._predicted(architecture) if known is None else known.score,
            score_from="predicted" if known is None else "measured",
            latency_ms=costs["latency_ms"],
            parameters=round(costs["parameters"]),
            cell_parameters=round(costs["parameters"] - float(self.costs["parameters"].constant)),
            flops=round(costs["flops"]),
            size_bytes=round(costs["size_bytes"]) if "size_bytes" in costs else None,
            peak_bytes=None if self.peak is None else round(self.peak.of(architecture)),
            after_training=None if self.refinement is None else self.refinement.after_training(architecture),
        )

    def build(self, architecture: Architecture, *, merge: bool = True) -> nn.Module:
        """Return a plain module with BatchNorm statistics of its own; see `Member.build`.

        The whole member of a pretrained network is that network, including its weights. Building changes nothing here:
        any number of threads may build.
        """
        module = self.network.build(architecture, self.calibrating).eval()
        return self.network.merge(module, self.table.merging(self.space.describe(architecture)) if merge else ())

    @torch.no_grad()
    def _predicted(self, architecture: Architecture) -> float:
        return float(self.task.measure.score(self.predictor(self.space.one_hots([architecture]))[0]))

    def position_of(self, architecture: Architecture) -> float | list[float]:
        """Return the dial position of a grid at which the hypernetwork considers `architecture` most likely."""
        return self.chooser.position_of(architecture)
