"""A toy family of 1,024 architectures whose accuracies follow a known law, so that every optimum is known."""

from __future__ import annotations

import functools
import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, fx, nn
from torch._C import DispatchKey
from torch._export import utils as torch_export
from torch._ops import OperatorBase
from torch.export import decomp_utils, exported_program

from archdial.data import Normalize
from archdial.dial import Scalar
from archdial.families import redialling
from archdial.families.family import Family
from archdial.hypernet import make_hypernet
from archdial.networks.graph.capture import by_export, capture
from archdial.searching import dialling
from archdial.searching.dialling import DialTrainer
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import MIXED, counted_table, drawn, textures, tiny

IMPORTANCE = (0.35, 0.25, 0.20, 0.12, 0.08)
WORTH = {"none": 0.0, "identity": 0.35, "max_pool_3x3": 0.5, "sep_conv_3x3": 1.0}


@dataclass
class Toy:
    """A family with one normal cell of two nodes: five choices of four options."""

    family: Family
    every: list[Architecture]

    @staticmethod
    def accuracy(architecture: Architecture) -> float:
        """The law: from 0.5, where nothing is taken, to 0.9, where all are convolutions."""
        return 0.5 + 0.4 * sum(w * WORTH[MIXED[o]] for w, o in zip(IMPORTANCE, architecture.options, strict=True))

    def best(self, candidates: Sequence[Architecture] | None = None, **limits: float) -> float:
        """The best accuracy of `candidates`, by default of all architectures, within limits by column."""
        costs = self.family.costs
        meeting = [
            self.accuracy(a)
            for a in (self.every if candidates is None else candidates)
            if all(costs[column].of(a) <= limit * (1 + 1e-9) for column, limit in limits.items())
        ]
        return max(meeting, default=0.0)


def make_toy(evaluated: int | None = 120, steps: int = 150) -> Toy:
    network = tiny(in_channels=1, classes=4, cells=1)
    every = [Architecture(o) for o in itertools.product(range(4), repeat=5)]
    seen = every if evaluated is None else list(dict.fromkeys(drawn(network.space, evaluated, seed=5)))
    archive = tuple(Evaluated(a, Toy.accuracy(a), 2 * (1 - Toy.accuracy(a)), ACCURACY) for a in seen)
    torch.manual_seed(0)
    predictor = ErrorPredictor(network.space)
    predictor.fit(archive, torch.Generator().manual_seed(0), steps)
    hypernet = make_hypernet("linear", network.space, 1)
    with torch.no_grad():
        # All convolutions at the accurate end, all identities at the cheap one; what matters least goes first.
        hypernet.offset.zero_()[:, 3] = 5.0
        hypernet.slope.zero_()[0, :, 1] = 5.0 / torch.linspace(0.8, 0.2, 5)
    family = Family(
        network=network,
        hypernet=hypernet,
        dial=Scalar(0.01, 10.0),
        predictor=predictor,
        table=counted_table(network),
        normalize=Normalize((0.3,), (0.25,)),
        calibration=textures(48).pixels,
        archive=archive,
        classes=("columns", "rows", "chess", "plain"),
        info={"seed": 0},
    )
    return Toy(family, every)


def pytest_collection() -> None:
    """Look for no cycles while half a million objects are imported that all stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor look through them ever after: a second each time that Python looks everywhere."""
    gc.freeze()
    gc.enable()
    # Networks that tests share stay too, and so do graphs that are remembered.
    gc.set_threshold(1_000, 20, 50)


@pytest.fixture(scope="session")
def toy() -> Toy:
    """About 120 architectures evaluated; for tests that change nothing but BatchNorm statistics."""
    return make_toy()


@pytest.fixture(scope="session")
def full_toy() -> Toy:
    """All 1,024 architectures evaluated; under the same rule."""
    return make_toy(None, steps=5)


@pytest.fixture(scope="module")
def short_lessons() -> Iterator[None]:
    """Let predictors learn in few steps, and dials at few positions: these are most of the seconds of a tiny search.

    For tests that ask whether searches go through, not how well they learn.
    """
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield


@pytest.fixture
def short_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one test, and for what is trained anew for another dial or device."""
    shorten(monkeypatch)
    monkeypatch.setattr(redialling, "DialTrainer", partial(DialTrainer, steps=20))


@pytest.fixture(scope="module")
def exported_once() -> Iterator[None]:
    """Let torch export models of one shape once, and copy the graph: most of the seconds of opening gates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture, "exported", remembered)
        yield


EXPORTS: dict[tuple[Any, ...], fx.Graph | Exception] = {}
"""For models without constants in their code: their graphs hold names and no values. And why there is no graph."""


def remembered(model: nn.Module, *arguments: Any, **options: Any) -> fx.Graph:
    key = (looks(model), shapes(arguments), shapes(tuple(options.items())))
    if " at 0x" in key[0][0]:
        # Another object may come to lie where this one was.
        return by_export.exported(model, *arguments, **options)
    if key not in EXPORTS:
        buffers = len(list(model.buffers()))
        try:
            graph = by_export.exported(model, *arguments, **options)
        except Exception as error:
            EXPORTS[key] = error.with_traceback(None)
            raise
        if buffers != len(list(model.buffers())):
            return graph
        EXPORTS[key] = copied(graph)
    found = EXPORTS[key]
    if isinstance(found, Exception):
        raise found
    return copied(found)


@pytest.fixture(scope="module")
def operators_once() -> Iterator[None]:
    """Let torch list its operators once while there are as many: half a second of each conversion of a small part.

    ExecuTorch has them all overridden some six times each, which is the other half, and reads their types from a file.
    Names of torch's own: without them tests are slower, and no different.
    """
    listed = getattr(torch_export, "_collect_all_valid_cia_ops", set)

    @functools.cache
    def of_so_many(_: int) -> Any:
        return frozenset(listed())

    def operators() -> Any:
        return of_so_many(len(torch._C._dispatch_get_all_op_names()))

    with pytest.MonkeyPatch.context() as patch:
        for module in (exported_program, decomp_utils):
            patch.setattr(module, "_collect_all_valid_cia_ops", operators, raising=False)
        patch.setattr(OperatorBase, "py_impl", functools.partialmethod(implemented, OperatorBase.py_impl))
        if find_spec("ruamel.yaml") and hasattr(yaml, "CSafeLoader"):
            patch.setattr("ruamel.yaml.YAML.load", lambda _, text: yaml.load(text, yaml.CSafeLoader))
        yield


def implemented(operator: OperatorBase, own: Callable[..., Any], key: Any) -> Callable[[Any], Any]:
    """What `py_impl` does, without the type of a function being made each time, which takes longer than all else."""

    def keep(function: Any) -> Any:
        if not isinstance(key, DispatchKey) or key == DispatchKey.Python or key in operator.py_kernels:
            return own(operator, key)(function)
        operator.py_kernels[key] = function
        operator._dispatch_cache.clear()
        return function

    return keep


def looks(model: nn.Module) -> tuple[str, Any, Any]:
    """What decides over the graph: classes, settings, and the shapes of what is in it."""
    settings = {
        name: repr({key: value for key, value in vars(module).items() if not key.startswith("_")})
        for name, module in model.named_modules()
    }
    return repr(settings), tuple(map(type, model.modules())), shapes(tuple(model.state_dict(keep_vars=True).items()))


def shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device, value.requires_grad
    if isinstance(value, tuple | list):
        return tuple(map(shapes, value))
    return value if callable(value) else repr(value)


def copied(graph: fx.Graph) -> fx.Graph:
    copy = fx.Graph()
    copy.output(copy.graph_copy(graph, {}))
    return copy


def shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ErrorPredictor.fit, "__defaults__", (20,))
    patch.setattr(dialling, "LESSON", 16)
    patch.setattr(dialling, "LIKELY", 1)
