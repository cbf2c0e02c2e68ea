"""A hundred thousand mutated files of every kind: each is refused by a sentence, or means what it says.

`ARCHDIAL_MUTATED_FILES` is how many there are in all, `ARCHDIAL_MUTATED_SEED` begins others;
`python benchmarks/mutated_files.py` prints figures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.hostile.kinds import COUNTS, kinds
from tests.hostile.measuring import attempt

pytestmark = pytest.mark.slow

FILES = int(os.environ.get("ARCHDIAL_MUTATED_FILES", "100000"))
SEED = int(os.environ.get("ARCHDIAL_MUTATED_SEED", "0"))
NAMES = list(kinds(Path()))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: a disk takes a millisecond and more for each file written anew."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="archdial-", dir=memory) as folder:
        yield Path(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_mutated_files_are_refused_or_mean_what_they_say(name: str, place: Path) -> None:
    kind = kinds(place)[name]()
    figures = attempt(kind, max(1, kind.count * FILES // 100_000), SEED)
    assert not figures.faults, ascii("; ".join(figures.faults))
    assert figures.accepted, "none was read: the good file is none"
    # A lock that cannot be understood, or a line of metrics, is passed over.
    assert figures.refused or name in (".archdial.lock", "metrics.jsonl"), "none was refused"


def test_there_are_a_hundred_thousand() -> None:
    assert sum(COUNTS.values()) >= 100_000, COUNTS
