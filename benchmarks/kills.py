"""Kill a search at random moments, twice each, let it go on, and flip bits of its files: bit-equal, or refused.

python benchmarks/kills.py --kills 100 --flips 200
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.common.versions import versions
from archdial.families.storage import load_family
from archdial.families.weights_file import WEIGHTS
from archdial.runs.beginning import new_run, resumed_run
from archdial.runs.folder import CONFIG, TABLE
from archdial.runs.recipe import load_recipe
from archdial.runs.search_run import search_run
from archdial.searching import checkpoint

RECIPE = """
data: digits
channels: 1
weights: 0.5
limit: 240
network: {cells: 2, nodes: 2, channels: 4, stem_stride: 2}
search: {epochs: 4, batch_size: 20, dial_steps: 60, evaluations: 12, sample: 6, rounds: 2, evaluation_images: 60}
profile: {networks: 0, repeats: 3}
"""


def in_a_process(work: Callable[[], object], until: Callable[[], object] | None = None) -> int:
    """Do `work` in a fork, killed by SIGKILL as soon as `until` returns; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 0
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                torch.set_num_threads(1)
                work()
            except UsageError:
                status = 2
            except BaseException:
                status = 99
        os._exit(status)
    if until is not None:
        until()
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def search(recipe: Path, table: Path, folder: Path) -> Callable[[], object]:
    """Return a call that begins the run in `folder`, or goes on with it."""

    def call() -> None:
        chosen = load_recipe(str(recipe))
        begun = (folder / CONFIG).exists()
        run = resumed_run(folder, chosen) if begun else new_run(folder, chosen, seed=3)
        search_run(run, table=None if begun else table)

    return call


def content(folder: Path) -> str:
    """Return what is equal for equal families."""
    value = json.loads((folder / "family.json").read_text())
    return hashlib.sha256(json.dumps([value["archive"], value["dial"], value["weights_sha256"]]).encode()).hexdigest()


def kills(place: Path, recipe: Path, table: Path, expected: str, seconds: float, count: int) -> None:
    """Kill `count` searches at two random moments each, and print how they ended."""
    dice, found, left = random.Random(0), Counter[str](), 0
    for number in range(count):
        folder = place / f"killed{number}"
        for _ in range(2):
            moment = dice.uniform(0, 1.1 * seconds)
            in_a_process(search(recipe, table, folder), until=partial(time.sleep, moment))
            left += any(path.name.startswith(".") and "lock" not in path.name for path in hidden(folder))
        status = in_a_process(search(recipe, table, folder))
        equal = status == 0 and content(folder) == expected
        clean = not hidden(folder)
        found["bit-equal" if equal else f"exit {status}"] += 1
        found["clean"] += clean
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{count} searches killed twice each: {dict(found)}; temporaries left by a kill, cleared by the next: {left}")


def hidden(folder: Path) -> list[Path]:
    """Return the hidden files of a run."""
    return [path for path in folder.iterdir() if path.name.startswith(".")] if folder.is_dir() else []


def flips(place: Path, recipe: Path, table: Path, expected: str, count: int) -> None:
    """Flip `count` bits in each file of a run, one at a time; print how often it was refused or made no difference."""
    stopped, done = place / "stopped", place / "whole"

    def saved() -> None:
        while not (stopped / checkpoint.NAME).exists():
            time.sleep(0.01)

    in_a_process(search(recipe, table, stopped), until=saved)
    for folder, names in ((stopped, (CONFIG, TABLE, checkpoint.NAME)), (done, ("family.json", WEIGHTS))):
        for name in names:
            print(f"{name}: {dict(flipped(folder, name, recipe, table, expected, count))}")


def flipped(folder: Path, name: str, recipe: Path, table: Path, expected: str, count: int) -> Counter[str]:
    """Return how runs whose file `name` has one bit flipped end, by kind of end."""
    dice, found = random.Random(name), Counter[str]()
    whole = (folder / name).read_bytes()
    for _ in range(count):
        changed, place = bytearray(whole), dice.randrange(8 * len(whole))
        changed[place // 8] ^= 1 << place % 8
        copy = Path(shutil.copytree(folder, folder.with_name("flipped"), dirs_exist_ok=True))
        (copy / name).write_bytes(changed)
        found[ended(copy, name, recipe, table, expected)] += 1
        shutil.rmtree(copy)
    return found


def ended(folder: Path, name: str, recipe: Path, table: Path, expected: str) -> str:
    """Return how the run in `folder` ends."""
    if name in ("family.json", WEIGHTS):
        status = in_a_process(lambda: load_family(folder))
        return {0: "read", 2: "refused"}.get(status, f"exit {status}")
    status = in_a_process(search(recipe, table, folder))
    if status == 0:
        return "bit-equal" if content(folder) == expected else "ANOTHER FAMILY"
    return "refused" if status == 2 else f"exit {status}"


def main() -> None:
    """Run what is asked for and print how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        recipe, first, whole = place / "recipe.yaml", place / "first", place / "whole"
        recipe.write_text(RECIPE, encoding="utf-8")
        in_a_process(lambda: search_run(new_run(first, load_recipe(str(recipe)), seed=3)))
        begun = time.perf_counter()
        in_a_process(search(recipe, first / TABLE, whole))
        seconds, expected = time.perf_counter() - begun, content(whole)
        assert expected == content(first) and digest_of([expected])
        print(f"{versions()}; a search alone takes {seconds:.1f} s")
        kills(place, recipe, first / TABLE, expected, seconds, asked.kills)
        flips(place, recipe, first / TABLE, expected, asked.flips)


if __name__ == "__main__":
    main()
