"""How the tests run, and what many of them share.

Torch is imported where it is needed: the process that hands out the tests reads this, and needs none of it.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.toy import Toy

MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30
"""Bytes, many times what a run leaves."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let temporary folders lie in memory, where there is some.

    A disk takes milliseconds for each of thousands of files that are written for good or removed.
    """
    if os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


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
    from tests.toy import make_toy

    return make_toy()


@pytest.fixture(scope="session")
def full_toy() -> Toy:
    """All 1,024 architectures evaluated; under the same rule."""
    from tests.toy import make_toy

    return make_toy(None, steps=5)


@pytest.fixture(scope="module")
def short_lessons() -> Iterator[None]:
    """Let predictors learn in few steps, and dials at few positions: these are most of the seconds of a tiny search.

    For tests that ask whether searches go through, not how well they learn.
    """
    from tests.lessons import shorten

    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield


@pytest.fixture
def short_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one test, and for what is trained anew for another dial or device."""
    from archdial.families import redialling
    from archdial.searching.dialling import DialTrainer
    from tests.lessons import shorten

    shorten(monkeypatch)
    monkeypatch.setattr(redialling, "DialTrainer", partial(DialTrainer, steps=20))


@pytest.fixture(scope="module")
def exported_once() -> Iterator[None]:
    """Let torch export models of one shape once, and copy the graph: most of the seconds of opening gates."""
    from archdial.networks.graph.capture import capture
    from tests.exports import remembered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture, "exported", remembered)
        yield


@pytest.fixture(scope="module")
def operators_once() -> Iterator[None]:
    """Let torch list its operators once: most of the seconds of each conversion of a small part."""
    from tests.operators import list_once

    with pytest.MonkeyPatch.context() as patch:
        list_once(patch)
        yield
