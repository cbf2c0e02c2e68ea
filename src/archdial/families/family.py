"""The result of one search: turn the dial, name a budget, take the front."""

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
    """Space, trained supernet, hypernetwork and dial, with all that was evaluated on the way.

    Attributes:
        column: the column of the table that the dial trades against the score.
        normalize: from pixels to inputs, of a family for images; None for others.
        calibration: training images uint8 (n, c, h, w) for BatchNorm statistics; of other tasks inputs, a batch each.
        archive: what was evaluated with the final weights; compared by all views of it, where the search had several.
        own_task: what its members are for, where that is not the accuracy of classified images in memory.
        info: config, seed, versions, device and data of the search, as JSON.
        device: name of the device that it answers for, of those in `devices`; table, dial and hypernet are that one's.
        devices: all that it can answer for, where there are several.
        refinement: what training some members alone has told, if it was refined; it is then gone by.
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
        """Inputs of the network for BatchNorm statistics, a batch each."""
        if isinstance(self.calibration, Tensor):
            assert self.normalize is not None
            return torch.split(self.normalize(self.calibration), EVALUATED)
        return self.calibration

    @cached_property
    def costs(self) -> dict[str, ExpectedCost]:
        """What an architecture costs, by column."""
        return by_column(self.space, self.table)

    @cached_property
    def peak(self) -> PeakCost | None:
        """How much memory an architecture needs at once; None with a table of an older archdial."""
        return PeakCost(self.space, self.table) if self.table.has(PEAK) else None

    @cached_property
    def residuals(self) -> tuple[float, ...]:
        """Errors of the table on whole networks that its fit had not seen; see `cost.table.margin`."""
        return residuals_of(self.table)

    @property
    def examples(self) -> int | None:
        """How many examples the scores that it goes by were measured on; None where nobody knows."""
        # Scores after training are mostly foretold, and what these are off by no number of examples tells.
        return None if self.refinement else examples_in(self.info, images=self.normalize is not None)

    @cached_property
    def chooser(self) -> Chooser:
        """Who chooses among its architectures, and knows those that something was claimed of."""
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
        """What dial, budgets and front go by: scores as evaluated, of a refined family those claimed after training."""
        return self.archive if self.refinement is None else self.refinement.claims

    @property
    def ranker(self) -> ErrorPredictor:
        """The predictor that dial and budgets go by."""
        return self.predictor if self.refinement is None else self.refinement.predictor

    @property
    def tables(self) -> Tables:
        """The table, or those of all devices by name."""
        return self.table if self.devices is None else self.devices.tables

    @property
    def device_names(self) -> list[str]:
        """Names of all devices that it can answer for; none where it was searched for one."""
        return [] if self.devices is None else list(self.devices.each)

    @property
    def shared_hypernet(self) -> Hypernetwork:
        """The hypernetwork with the parameters: of several devices the one that also reads a device's code."""
        return self.hypernet if self.devices is None else self.devices.hypernet

    @cached_property
    def _views(self) -> dict[str, Family]:
        return {}

    def on(self, device: str | None) -> Family:
        """Return the family as it answers for the device of that name; None is the one it answers for already.

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
        """Return the family as it answers for `what`: all else is shared."""
        return replace(
            self,
            table=what.table,
            dial=what.dial,
            hypernet=what.hypernet,
            device=what.device,
            devices=what.devices,
        )

    def at(self, position: Position, *, device: str | None = None) -> Member:
        """Return the member at a dial position.

        Raises:
            UsageError: the position lies off the dial, or there is no such device.
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

        Looked at are all architectures that were evaluated, those along the dial, what the hypernetwork considers
        likely there, and neighbours of the best of these. One that was not evaluated must promise more by a whole
        standard deviation of the predictor than the best that was.

        Of milliseconds a margin is kept, which the errors of the table on whole networks that its fit had not seen ask
        for (see `cost.table.margin`). `member.promise` says what was promised, and `member.cheaper` is a cheaper member
        that is as good within one standard error of the evaluation, if there is one.

        Args:
            latency_ms: of one batch, as the cost table has it.
            params: parameters of the whole module.
            flops: of one input.
            size_bytes: of parameters and buffers, as a file of weights holds them.
            peak_bytes: the most that one operator reads and writes at once for one input, weights aside.
            device: whose milliseconds are meant, of a family for several.
            confidence: that a member takes no more than `latency_ms`, from 0.5, which keeps no margin, to below 1.
                What is counted is exact, and needs none.
            measured: build the best candidates, time them here, and return the most accurate that truly takes no more;
                the margin then plays no part. Some seconds to minutes, as the runtime has it.
            bar: shows the progress of that.

        Raises:
            UsageError: no budget is given, the table has none of the kind, or none can meet it, or only without the
                margin; the message names the reachable range. Or there is no such confidence, or nothing to measure.
            RunError: a candidate does not run on the table's runtime.
        """
        limits = {
            LATENCY: latency_ms,
            "parameters": params,
            "flops": flops,
            "size_bytes": size_bytes,
            PEAK: peak_bytes,
        }
        given = {column: float(value) for column, value in limits.items() if value is not None}
        asked, answering = Asked(given, confidence, measured), self.on(device)
        if latency_ms is not None:
            warn_doubt(answering.table, "the cost table, by which milliseconds are told,")
        return best_within(answering, asked, bar)

    def front(self) -> list[Member]:
        """Return the evaluated members that no other beats in both score and cost, cheapest first.

        Of a refined family that is the score after training alone, as measured or foretold.
        """
        found = front(self.judged, self.costs[self.column])
        return [self.member(item.architecture, self.position_of(item.architecture)) for item in found]

    def member(self, architecture: Architecture, dial: float | list[float] | None = None) -> Member:
        """Return `architecture` as a member: its score as measured in the search, else as predicted."""
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

        The whole of a network that was trained before is that network, weights and all. Nothing here is changed
        thereby: any number of threads may build.
        """
        module = self.network.build(architecture, self.calibrating).eval()
        return self.network.merge(module, self.table.merging(self.space.describe(architecture)) if merge else ())

    @torch.no_grad()
    def _predicted(self, architecture: Architecture) -> float:
        return float(self.task.measure.score(self.predictor(self.space.one_hots([architecture]))[0]))

    def position_of(self, architecture: Architecture) -> float | list[float]:
        """Return the dial position of a grid at which the hypernetwork considers `architecture` most likely."""
        return self.chooser.position_of(architecture)
