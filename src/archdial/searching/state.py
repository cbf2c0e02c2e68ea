"""Everything that a search changes as it progresses, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.common.memory import keep_freed_memory
from archdial.common.torch_device import fabric_on
from archdial.cost.pricing.expected import Cost
from archdial.cost.table.several import Tables
from archdial.data import Normalize, SearchData, Seen
from archdial.data.split import Batch
from archdial.dial import Dial, Tradeoff
from archdial.dial.arranged import arranged
from archdial.hypernet import Hypernetwork, make_hypernet
from archdial.networks.fresh import draw_anew
from archdial.networks.pretrained import Pretrained, whole_of
from archdial.networks.statistics import has_statistics
from archdial.networks.supernet import Supernet
from archdial.relaxation import Relaxation, make_relaxation
from archdial.searching.evaluation import EVALUATED, Evaluated, Evaluator, Examples
from archdial.searching.evaluation import errors as errors_of
from archdial.searching.evaluation import losses as losses_of
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.settings import SearchSettings
from archdial.searching.views import Views, examples
from archdial.space import Architecture
from archdial.tasks.images import ImageClassification
from archdial.tasks.own import OwnTask
from archdial.tasks.task import Task
from archdial.training.descent import OPTIMIZERS
from archdial.training.loop import fold
from archdial.training.objective import Objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class SearchState:
    """One search on its way.

    Attributes:
        tables: what options cost on the device, or on each of several.
        asked: the dial as the user left it; `dial` is the same with its range found.
        forward: the supernet as fabric wraps it, for training; `network` is the same one bare.
        teacher: the network as it was before the search, where that was trained.
        generator: every random draw comes from it, so that a checkpoint of its state repeats them.
        frozen: the weights are those of an earlier search or came with the network, and stay.
        archive: what was evaluated, in that order.
        pending: what the epoch in hand still is to evaluate, from its first batch on.
        origin: digest of the weights that the search begins with, where they are not drawn from its seed.
        judge: who evaluates architectures, if not its own evaluator.
        views: what else is known of architectures, if the settings name proxies.
    """

    network: Supernet
    data: Seen
    tables: Tables
    settings: SearchSettings
    seed: int
    fabric: Fabric
    asked: Dial
    dial: Dial
    cost: Cost
    hypernet: Hypernetwork
    predictor: ErrorPredictor
    relaxation: Relaxation
    task: Task
    forward: nn.Module
    weights_optimizer: torch.optim.Optimizer
    hypernet_optimizer: torch.optim.Optimizer
    generator: torch.Generator
    teacher: nn.Module | None = None
    frozen: bool = False
    archive: list[Evaluated] = field(default_factory=list)
    pending: list[Architecture] = field(default_factory=list)
    origin: str = ""
    judge: Callable[[Architecture], Evaluated] | None = None
    views: Views | None = None
    _evaluator: Evaluator | None = None

    @property
    def objective(self) -> Objective:
        """What the weights are trained for; what the network was before the search teaches it."""
        # What imitates is as far from its teacher as its own loss says: the same network need not run twice.
        return Objective(self.task, None if self.task.imitates else self.teacher, self.settings.distillation)

    def inputs(self, batch: Batch, *, training: bool = False) -> Any:
        """Return the inputs of `batch` on the device, varied at random where `training` asks for it."""
        varied = self.generator if training and self.settings.augment else None
        return self.task.inputs(batch, self.fabric.device, varied)

    @property
    def evaluator(self) -> Evaluator:
        """The judge of architectures: the same calibration and validation data for all of them."""
        if self._evaluator is None:
            limit = self.settings.evaluation_images
            examples = Examples(
                lambda: self.data.validation.in_order(EVALUATED, limit), self.inputs, self.task.prepared
            )
            self._evaluator = Evaluator(self.network, self.calibration, examples, self.task)
        return self._evaluator

    @property
    def calibration(self) -> list[Any]:
        """Inputs for what a member derives from examples: BatchNorm statistics, a readout, ranges; else none."""
        asked = self.settings.readout == "refitted" or self.network.mixed_precision
        if not asked and not has_statistics(self.network):
            return []
        limit = self.settings.calibration_images
        return [self.inputs(batch) for batch in self.data.weights.in_order(EVALUATED, limit)]

    @cached_property
    def shown(self) -> tuple[Any, Batch]:
        """What proxies are shown: inputs of some training examples, and these."""
        batch = examples(self.data.weights)
        return self.inputs(batch), batch

    @property
    def calibration_pixels(self) -> Tensor:
        """The first images for the weights, as bytes (n, c, h, w), of a search on images in memory."""
        assert isinstance(self.data, SearchData)
        return self.data.weights.pixels[: self.settings.calibration_images]

    def evaluate(self, architecture: Architecture) -> Evaluated:
        """Evaluate `architecture` with inherited weights and put it into the archive."""
        result = (self.judge or self.evaluator)(architecture)
        self.archive.append(result)
        if self.views is not None:
            self.views.look(architecture, *self.shown, self.task)
        return result

    def weigh(self) -> None:
        """Judge again all that was evaluated, if there is more than one view of it."""
        if self.views is not None:
            self.archive = self.views.judged(self.archive, self.settings.sample)

    def seen(self) -> Iterable[Architecture]:
        """Return the architectures of the archive."""
        return (item.architecture for item in self.archive)

    def fit_range(self, *, errors: bool) -> None:
        """Find what the user left open of the dial, from all that was evaluated.

        Args:
            errors: the penalty competes with errors, as a predictor gives them, and not with cross-entropies.
        """
        seen = errors_of if errors else losses_of
        losses = seen(self.archive, whole_of(self.network))
        weights = self.network.space.one_hots(self.seen())
        self.dial = self.asked.fitted(self.network.space.kinds, Tradeoff.among(losses, weights, self.cost))


def begin(
    network: Supernet,
    data: Seen,
    tables: Tables,
    dial: Dial,
    settings: SearchSettings,
    seed: int,
    device: str = "cpu",
    task: Task | None = None,
) -> SearchState:
    """Return the state before the first step; the weights of `network` are redrawn from `seed`.

    Args:
        task: what the network is for; by default images in memory are classified, and of a network that gives its own
            loss that is descended.

    Raises:
        UsageError: the table or a setting does not fit the space or the dial.
    """
    keep_freed_memory()
    torch.manual_seed(seed)
    if not isinstance(network, Pretrained):
        draw_anew(network)
    space = network.space
    asked, cost = arranged(space, tables, dial, settings.cost)
    bound = asked.fitted(space.kinds)
    hypernet = hypernet_for(bound, network, settings.hypernet)
    task = task or (OwnTask() if network.gives_loss else task_of(data))
    predictor = ErrorPredictor(space, task.measure)
    fabric = fabric_on(device, settings.precision)
    origin, teacher = _as_it_came(network, settings)
    forward, weights_optimizer = fabric.setup(network, OPTIMIZERS[settings.optimizer](network, settings))
    if teacher is not None:
        teacher = teacher.eval().to(fabric.device)
    return SearchState(
        network=network,
        data=data,
        tables=tables,
        settings=settings,
        seed=seed,
        fabric=fabric,
        asked=asked,
        dial=bound,
        cost=cost,
        hypernet=hypernet,
        predictor=predictor,
        relaxation=make_relaxation(settings.relaxation, space),
        task=task.taught(teacher),
        forward=forward,
        weights_optimizer=weights_optimizer,
        hypernet_optimizer=torch.optim.Adam(hypernet.parameters(), lr=settings.hypernet_rate),
        generator=fold(seed),
        teacher=teacher,
        frozen=isinstance(network, Pretrained) and settings.regime == "frozen",
        origin=origin,
        views=Views(network, tables, settings.proxies, seed) if settings.proxies else None,
    )


def task_of(data: Seen) -> Task:
    """Return what is done with `data` unless somebody says otherwise.

    Raises:
        UsageError: they are no images in memory.
    """
    if isinstance(data, SearchData):
        return ImageClassification(Normalize(data.mean, data.std), len(data.classes))
    raise UsageError(
        "your own data need a task: pass task=archdial.Classification(), Regression(), Segmentation(), "
        "LanguageModelling(), Imitation() or Task(loss=…, score=…)"
    )


def _as_it_came(network: Supernet, settings: SearchSettings) -> tuple[str, nn.Module | None]:
    """Return the digest of weights that come with the network, and the network as it is now, to learn from."""
    if not isinstance(network, Pretrained):
        if settings.readout == "refitted":
            raise UsageError(
                "search.readout = refitted applies to trained networks, whose outputs their members imitate: omit it "
                "for cells"
            )
        return "", None
    network.readout = settings.readout == "refitted"
    origin = digest_of(network.state_dict())
    network.remember()
    return origin, network.untouched()


OPEN = 3.0
"""How far the logits of the whole network lie above the others at first: with 58 gates about three are dropped."""


def hypernet_for(dial: Dial, network: Supernet, settings: Mapping[str, Any]) -> Hypernetwork:
    """Return a new hypernetwork for positions of `dial`; a kernel's pivots are put on the dial unless they are given.

    For a network that was trained before it begins near the whole of it.

    Raises:
        UsageError: the kind or a setting is unknown, or does not go with the dial.
    """
    chosen = {"kind": "mlp", **settings}
    if chosen["kind"] == "kernel" and not isinstance(chosen.get("pivots"), list):
        # A cube of pivots would have most of them far off a simplex.
        chosen["pivots"] = dial.encode(dial.grid(int(chosen.get("pivots", 10)))).tolist()
    hypernet = make_hypernet(space=network.space, features=dial.features, **chosen)
    if isinstance(network, Pretrained):
        hypernet.favour(network.whole, OPEN)
    return hypernet
