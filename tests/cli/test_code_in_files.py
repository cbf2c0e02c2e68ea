"""No file has code called: fifty attempts, by every kind of file, with every command that opens one."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import archdial as ad
from archdial.common.documents import sealed
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.data import Normalize
from archdial.families.family import Family
from archdial.families.storage import load_family, load_member, save_family, save_member
from archdial.hypernet import make_hypernet
from archdial.networks.graph import gates, source
from archdial.runs import own_data
from archdial.runs.beginning import new_run
from archdial.runs.recipe import load_recipe
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import ErrorPredictor
from archdial.tasks.measure import ACCURACY
from tests.cli.conftest import call, write_recipe
from tests.networks.examples import counted_table, drawn, textures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

RECIPE = """
data: digits
channels: 1
weights: 0.5
limit: 120
network: {kind: gates, model: NAME}
search:
  epochs: 1
  batch_size: 30
  dial_steps: 40
  evaluations: 4
  sample: 3
  rounds: 1
  evaluation_images: 30
  calibration_images: 30
profile: {networks: 0, repeats: 2}
train: {epochs: 1, batch_size: 30}
"""

CODE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, inputs):
        return inputs + self.last(self.first(inputs))

def make():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""

ATTEMPTS = [
    # The standard library: what ends the process, waits for ever, opens or runs something.
    "os:abort", "os:fork", "sys:exit", "builtins:breakpoint", "builtins:quit", "builtins:input", "pdb:set_trace",
    "code:interact", "pty:spawn", "subprocess:Popen", "webbrowser:open", "antigravity:fly", "runpy:run_path",
    "importlib:import_module", "pickle:loads", "ctypes:string_at", "faulthandler:_sigsegv", "threading:Thread",
    # The working folder.
    "evil:make", "evil:Nested.make", "evil:__init__", "evil.inner:make", "evil_package:make", "evil_package.sub:make",
    "./evil:make", "../evil:make", "evil.py:make", "evil/make:make", "/tmp/evil.py:make", "file:///evil:make",
    # Installed packages, plugins and ourselves.
    "torch.nn:Identity", "torch:load", "torch.hub:load", "numpy:array", "pytest:exit", "setuptools:setup",
    "archdial.cli:main", "archdial.networks.backbones:resnet18", "archdial.networks.graph.source:_called",
    # Names that look like others, or like none.
    "evil\uff1amake", "\uff45vil:make", "\u0435vil:make", "evil\u200b:make", "evil:make\x00", " evil:make",
    "evil :make", "resnet20:make", "resnet20\n:make", ":make", "evil:", "::", "evil:make:make",
    "__import__('evil'):make",
    "!!python/object/apply:evil.make", "__main__:make",
]  # fmt: skip

WITH_RUN = {
    "pick": ["pick", "{run}", "--params", "100000", "--out", "{new}"],
    "evaluate": ["evaluate", "{run}"],
    "compare": ["compare", "{run}", "--baselines", "random"],
    "experiments": ["experiments", "{run}"],
    "finetune": ["finetune", "{run}", "--params", "100000", "--epochs", "1"],
    "export": ["export", "{run}", "--params", "100000", "--format", "pt2", "-o", "{new}.pt2"],
}
WITH_RECIPE = {
    "search": ["search", "{recipe}", "--out", "{new}"],
    "profile": ["profile", "{recipe}", "--out", "{new}.json"],
    "bundle": ["profile", "{recipe}", "--bundle", "{new}"],
    "train": ["train", "{recipe}", "--out", "{new}.safetensors"],
}


class Watch:
    """Sees every module that is looked for and every call of code that a name stands for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def find_spec(self, name: str, *_: Any) -> None:
        if "evil" in name or "\u0435vil" in name or name in ("antigravity", "pty", "code", "runpy", "webbrowser"):
            self.seen.append(name)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Evil modules beside the script and in the working folder; nothing of them may be imported or called."""
    where = tmp_path / "beside"
    (where / "evil_package").mkdir(parents=True)
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef make(): raise SystemExit(0)\nclass Nested: make = make\n"
    for file in ("evil.py", "evil_package/__init__.py", "evil_package/sub.py", "\u0435vil.py"):
        (where / file).write_text(code, encoding="utf-8")
    monkeypatch.chdir(where)
    monkeypatch.syspath_prepend(str(where))
    watching = Watch()

    def called(name: str, *_: str) -> None:
        watching.seen.append(name)
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(source, "called_code", called)
    monkeypatch.setattr(own_data, "called_code", called)
    sys.meta_path.insert(0, watching)  # type: ignore[arg-type]
    yield watching
    sys.meta_path.remove(watching)  # type: ignore[arg-type]
    assert watching.seen == []
    assert not (tmp_path / "ran").exists()


@functools.cache
def names_of_code() -> dict[str, Any]:
    """Classes that are the same each time, so that one export serves them all."""
    names: dict[str, Any] = {}
    exec(CODE, names)
    return names


def made() -> torch.nn.Module:
    module: torch.nn.Module = names_of_code()["make"]()
    return module.eval()


@pytest.fixture(scope="module")
def family(exported_once: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family over a network that code of somebody's made, and a member of it."""
    folder = tmp_path_factory.mktemp("family")
    origin = {"name": "own_model:make", "width": None, "input_shape": [1, 8, 8], "classes": 10}
    network = gates(made(), torch.zeros(2, 1, 8, 8), source=origin)
    torch.manual_seed(0)
    found = Family(
        network=network,
        hypernet=make_hypernet("linear", network.space, 1),
        dial=ad.Scalar(0.01, 10.0),
        predictor=ErrorPredictor(network.space),
        table=counted_table(network),
        normalize=Normalize((0.3,), (0.25,)),
        calibration=textures(16).pixels,
        archive=tuple(Evaluated(one, 0.5, 1.0, ACCURACY) for one in dict.fromkeys(drawn(network.space, 4))),
        classes=tuple("0123456789"),
        info={"seed": 0},
    )
    save_family(found, folder)
    save_member(found.at(1.0), folder / "member")
    return folder


def asks_for(name: str, folder: Path, file: str) -> Path:
    """Let a file of `folder` name code, its digest made anew."""
    path = folder / file
    value = json.loads(path.read_text(encoding="utf-8"))
    value["network"]["source"]["name"] = name
    value.pop("sha256")
    path.write_text(json.dumps(sealed(value)), encoding="utf-8")
    return folder


def filled(words: list[str], **places: Path) -> list[str]:
    return [word.format(**{name: str(path) for name, path in places.items()}) for word in words]


def recipe_with(name: str, folder: Path) -> Path:
    return write_recipe(folder, RECIPE.replace("NAME", json.dumps(name)))


@pytest.fixture
def copied(family: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(family, tmp_path / "run"))


def test_there_are_fifty_attempts() -> None:
    assert len(set(ATTEMPTS)) >= 50


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_family_and_no_member_calls_what_it_names(watch: Watch, copied: Path, tmp_path: Path, name: str) -> None:
    run, saved = asks_for(name, copied, "family.json"), asks_for(name, copied / "member", "architecture.json")
    command = list(WITH_RUN)[ATTEMPTS.index(name) % len(WITH_RUN)]
    answers = [
        call(*filled(WITH_RUN[command], run=run, new=tmp_path / "new")),
        call(*filled(WITH_RUN["pick"], run=run, new=tmp_path / "new")),
        call("export", saved, "--format", "pt2", "-o", tmp_path / "new.pt2"),
    ]
    for answer in answers:
        assert answer.status == 2, answer.out
        assert answer.sentence
    for build in (lambda: load_member(saved), lambda: load_family(run).at(1.0).build()):
        with pytest.raises(UsageError):
            build()
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_recipe_calls_what_it_names(watch: Watch, tmp_path: Path, name: str) -> None:
    command = list(WITH_RECIPE)[ATTEMPTS.index(name) % len(WITH_RECIPE)]
    answer = call(*filled(WITH_RECIPE[command], recipe=recipe_with(name, tmp_path), new=tmp_path / "new"))
    assert answer.status == 2
    assert answer.sentence
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("command", [*WITH_RUN, *WITH_RECIPE])
def test_each_command_says_which_name_it_was_asked_for(
    watch: Watch, copied: Path, tmp_path: Path, command: str
) -> None:
    run, recipe = asks_for("evil:make", copied, "family.json"), recipe_with("evil:make", tmp_path)
    words = filled((WITH_RUN | WITH_RECIPE)[command], run=run, recipe=recipe, new=tmp_path / "new")
    answer = call(*words)
    assert answer.status == 2
    assert "evil:make" in answer.sentence and "--model evil:make" in answer.sentence and "--trust" in answer.sentence


def test_a_run_that_goes_on_calls_nothing(watch: Watch, tmp_path: Path) -> None:
    folder, recipe = tmp_path / "run", recipe_with("evil:make", tmp_path)
    run = new_run(folder, load_recipe(str(recipe)))
    write_json(folder / "config.json", sealed(run.to_json()))
    answer = call("search", recipe, "--out", folder, "--resume")
    assert answer.status == 2
    assert "evil:make" in answer.sentence


def test_figures_need_no_code(watch: Watch, family: Path, copied: Path) -> None:
    run = asks_for("evil:make", copied, "family.json")
    shown = call("pick", run, "--params", "100000", "--json")
    assert shown.status == 0, shown.err
    expected = load_family(family, made()).within(params=100_000).to_json()
    assert shown.json["architecture"] == expected["architecture"]
    assert shown.json["latency_ms"] == expected["latency_ms"]
    # Nor does writing it again, as add-device does.
    before = {name: (run / name).read_bytes() for name in ("family.json", "weights.safetensors")}
    save_family(load_family(run), run)
    assert (run / "weights.safetensors").read_bytes() == before["weights.safetensors"]
    assert json.loads((run / "family.json").read_bytes()) == json.loads(before["family.json"])


def test_figures_without_code_are_those_that_were_measured(family: Path) -> None:
    """What is kept in vain is dropped there too, by which what was evaluated is found again."""
    opened, closed = load_family(family, made()), load_family(family)
    space, generator = opened.space, torch.Generator().manual_seed(0)
    drawn_ones = [space.random(generator) for _ in range(200)]
    assert [closed.network.canonical(one) for one in drawn_ones] == list(map(opened.network.canonical, drawn_ones))
    assert any(opened.network.canonical(one) != one for one in drawn_ones)


@pytest.mark.parametrize(
    ("runs", "match"),
    [
        ([[99]], "that do not exist"),
        ([[0, 0]], "list their conditions twice"),
        ([[0], [0]], "list their conditions twice"),
        ([[0]], "its choices do not match its network"),
        ([[-1]], "runs"),
        ("0", "runs"),
    ],
)
def test_when_choices_run_is_checked(copied: Path, runs: object, match: str) -> None:
    value = json.loads((copied / "family.json").read_text())
    del value["sha256"]
    value["choices"][1]["runs"] = runs
    (copied / "family.json").write_text(json.dumps(sealed(value)))
    with pytest.raises(UsageError, match=match):
        load_family(copied, made())


def test_whole_numbers_written_with_a_point_are_whole_numbers(copied: Path) -> None:
    value = json.loads((copied / "family.json").read_text())
    del value["sha256"]
    value["network"]["input_shape"] = [1, 8.0, 8]
    (copied / "family.json").write_text(json.dumps(sealed(value)))
    for family in (load_family(copied), load_family(copied, made())):
        assert family.network.example.shape == (1, 1, 8, 8)


def test_families_from_before_that_was_written_are_read(copied: Path) -> None:
    value = json.loads((copied / "family.json").read_text())
    for key in ("sha256", *value["choices"]):
        value.pop(key) if isinstance(key, str) else key.pop("runs")
    (copied / "family.json").write_text(json.dumps(sealed(value)))
    one = load_family(copied).space.random(torch.Generator().manual_seed(0))
    assert load_family(copied).network.canonical(one) == one
    assert load_family(copied, made()).at(1.0) == load_family(copied).at(1.0)


def test_a_family_without_its_choices_is_refused_and_not_called(watch: Watch, copied: Path) -> None:
    """As older ones are."""
    value = json.loads((copied / "family.json").read_text())
    for key in ("choices", "sha256"):
        value.pop(key)
    (copied / "family.json").write_text(json.dumps(sealed(value)))
    answer = call("pick", copied, "--params", "100000")
    assert answer.status == 2
    assert "own_model:make, code named only by a file" in answer.sentence
    assert load_family(copied, made()).at(1.0).build()


@pytest.mark.parametrize("how", [["--model", "own_model:make"], ["--trust"]])
def test_code_that_the_user_names_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]) -> None:
    (tmp_path / "own_model.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    run = tmp_path / "run"
    begun = call("search", recipe_with("own_model:make", tmp_path), "--out", run, *how)
    assert begun.status == 0, begun.err
    assert load_family(run).network.why.startswith("its model is made by own_model:make")  # type: ignore[union-attr]
    saved = call("pick", run, "--params", "100000", "--out", tmp_path / "member", *how)
    assert saved.status == 0, saved.err
    images = torch.rand(2, 1, 8, 8)
    by_trust, by_model = load_family(run, trust=True), ad.load(run, made())
    outputs = [family.within(params=100_000).build()(images) for family in (by_trust, by_model)]
    outputs += [load_member(tmp_path / "member", trust=True)(images)]
    assert outputs[0].equal(outputs[1]) and outputs[0].equal(outputs[2])


def test_a_finished_run_calls_what_the_call_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To name a model is not to trust what a file names instead."""
    (tmp_path / "own_model.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{CODE}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ("search", recipe_with("own_model:make", tmp_path), "--out", tmp_path / "run", "--model", "own_model:make")
    begun = call(*words, "--json")
    assert begun.status == 0, begun.err
    asks_for("evil:make", tmp_path / "run", "family.json")
    resumed = call(*words, "--resume", "--json")
    assert resumed.status == 0, resumed.err
    assert resumed.json == begun.json
    assert not (tmp_path / "ran").exists()


def test_code_that_ends_the_process_is_a_sentence(copied: Path) -> None:
    answer = call("evaluate", asks_for("sys:exit", copied, "family.json"), "--trust")
    assert answer.status == 2
    assert "'sys:exit': calling it without arguments failed with SystemExit" in answer.sentence
