"""No file has code called: fifty attempts, by every kind of file, with every command that opens one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import archdial as ad
from archdial.documents import sealed
from archdial.errors import UsageError
from archdial.networks.backbones import resnet20
from archdial.networks.gated import source
from archdial.storage import load_family, load_member

from .conftest import GATES, Pruned, call, write_recipe

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
    "archdial.cli:main", "archdial.networks.backbones:resnet18", "archdial.networks.gated.source:_called",
    # Names that look like others, or like none.
    "evil\uff1amake", "\uff45vil:make", "\u0435vil:make", "evil\u200b:make", "evil:make\x00", " evil:make",
    "evil :make", "resnet20:make", "resnet20\n:make", ":make", "evil:", "::", "evil:make:make",
    "__import__('evil'):make",
    "!!python/object/apply:evil.make", "__main__:make",
]  # fmt: skip

WITH_RUN = {
    "pick": ["pick", "{run}", "--at", "1", "--out", "{new}"],
    "evaluate": ["evaluate", "{run}"],
    "compare": ["compare", "{run}", "--baselines", "random"],
    "experiments": ["experiments", "{run}"],
    "finetune": ["finetune", "{run}", "--at", "1", "--epochs", "1"],
    "export": ["export", "{run}", "--at", "1", "--format", "pt2", "-o", "{new}.pt2"],
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

    def called(name: str) -> None:
        watching.seen.append(name)
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(source, "_called", called)
    sys.meta_path.insert(0, watching)  # type: ignore[arg-type]
    yield watching
    sys.meta_path.remove(watching)  # type: ignore[arg-type]
    assert watching.seen == []
    assert not (tmp_path / "ran").exists()


def asks_for(name: str, folder: Path, file: str) -> Path:
    """Let a file of `folder` name code, its digest made anew."""
    path = folder / file
    value = json.loads(path.read_text(encoding="utf-8"))
    network = value["recipe"]["network"] if file == "config.json" else value["network"]
    if file == "config.json":
        network |= {"model": name, "width": None}
    else:
        network["source"]["name"] = name
    value.pop("sha256", None)
    path.write_text(json.dumps(sealed(value)), encoding="utf-8")
    return folder


def filled(words: list[str], **places: Path) -> list[str]:
    return [word.format(**{name: str(path) for name, path in places.items()}) for word in words]


@pytest.fixture(scope="module")
def member(pruned: Pruned, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("member") / "saved"
    answer = call("pick", pruned.folder, "--at", "1", "--out", folder)
    assert answer.status == 0, answer.err
    return folder


def test_there_are_fifty_attempts() -> None:
    assert len(set(ATTEMPTS)) >= 50


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_family_and_no_member_calls_what_it_names(
    watch: Watch, pruned: Pruned, member: Path, tmp_path: Path, name: str
) -> None:
    run = asks_for(name, Path(shutil.copytree(pruned.folder, tmp_path / "run")), "family.json")
    saved = asks_for(name, Path(shutil.copytree(member, tmp_path / "member")), "architecture.json")
    command = list(WITH_RUN)[ATTEMPTS.index(name) % len(WITH_RUN)]
    answers = [
        call(*filled(WITH_RUN[command], run=run, new=tmp_path / "new")),
        call(*filled(WITH_RUN["pick"], run=run, new=tmp_path / "new")),
        call("export", saved, "--format", "pt2", "-o", tmp_path / "new.pt2"),
    ]
    for answer in answers:
        assert answer.status == 2, answer.out
        assert answer.sentence
    for load in (load_member, lambda folder: load_family(folder).along(2)[0].build()):
        with pytest.raises(UsageError):
            load(saved if load is load_member else run)
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_recipe_calls_what_it_names(watch: Watch, pruned: Pruned, tmp_path: Path, name: str) -> None:
    text = GATES.replace("model: resnet20, width: 2", f"model: {json.dumps(name)}, weights: {pruned.weights}")
    recipe = write_recipe(tmp_path, text)
    command = list(WITH_RECIPE)[ATTEMPTS.index(name) % len(WITH_RECIPE)]
    answer = call(*filled(WITH_RECIPE[command], recipe=recipe, new=tmp_path / "new"))
    assert answer.status == 2
    assert answer.sentence
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("command", [*WITH_RUN, *WITH_RECIPE])
def test_each_command_says_which_name_it_was_asked_for(
    watch: Watch, pruned: Pruned, tmp_path: Path, command: str
) -> None:
    run = asks_for("evil:make", Path(shutil.copytree(pruned.folder, tmp_path / "run")), "family.json")
    text = GATES.replace("model: resnet20, width: 2", f"model: evil:make, weights: {pruned.weights}")
    recipe = write_recipe(tmp_path, text)
    words = filled((WITH_RUN | WITH_RECIPE)[command], run=run, recipe=recipe, new=tmp_path / "new")
    answer = call(*words)
    assert answer.status == 2
    assert "evil:make" in answer.sentence and "--model evil:make" in answer.sentence and "--trust" in answer.sentence


def test_a_run_that_goes_on_calls_nothing(watch: Watch, pruned: Pruned, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pruned.folder, tmp_path / "run"))
    for file in ("family.json", "weights.safetensors"):
        (folder / file).unlink()
    asks_for("evil:make", folder, "config.json")
    text = GATES.replace("model: resnet20, width: 2", f"model: evil:make, weights: {pruned.weights}")
    answer = call("search", write_recipe(tmp_path, text), "--out", folder, "--resume")
    assert answer.status == 2
    assert "evil:make" in answer.sentence


def test_figures_need_no_code(watch: Watch, pruned: Pruned, tmp_path: Path) -> None:
    run = asks_for("evil:make", Path(shutil.copytree(pruned.folder, tmp_path / "run")), "family.json")
    shown, expected = (call("pick", folder, "--params", "100000", "--json") for folder in (run, pruned.folder))
    assert shown.status == expected.status == 0, shown.err
    assert shown.json == expected.json
    added = call("add-device", run, "pi", run / "table.json", "--json")
    assert added.status == 0, added.err
    assert call("pick", run, "--params", "100000", "--on", "pi", "--json").status == 0


def test_a_report_needs_no_code(watch: Watch, pruned: Pruned, tmp_path: Path) -> None:
    run = Path(shutil.copytree(pruned.folder, tmp_path / "run"))
    assert call("evaluate", run, "--count", "2").status == 0
    asks_for("evil:make", run, "family.json")
    assert call("report", run).status == 0


CODE = "from archdial.networks.backbones import resnet20\ndef make():\n    return resnet20(2, in_channels=1)\n"


@pytest.mark.parametrize("how", [["--model", "own_model:make"], ["--trust"]])
def test_code_that_the_user_names_is_called(
    pruned: Pruned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    (tmp_path / "own_model.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = GATES.replace("model: resnet20, width: 2", f"model: own_model:make, weights: {pruned.weights}")
    run = tmp_path / "run"
    begun = call("search", write_recipe(tmp_path, text), "--out", run, *how)
    assert begun.status == 0, begun.err
    assert load_family(run).network.why.startswith("its model is made by own_model:make")  # type: ignore[union-attr]
    saved = call("pick", run, "--at", "1", "--out", tmp_path / "member", *how)
    assert saved.status == 0, saved.err
    images = torch.rand(2, 1, 8, 8)
    by_trust, by_model = load_family(run, trust=True), ad.load(run, resnet20(2, in_channels=1))
    outputs = [family.at(1.0).build()(images) for family in (by_trust, by_model)]
    outputs += [load_member(tmp_path / "member", trust=True)(images)]
    assert outputs[0].equal(outputs[1]) and outputs[0].equal(outputs[2])


def test_code_that_ends_the_process_is_a_sentence(pruned: Pruned, tmp_path: Path) -> None:
    run = asks_for("sys:exit", Path(shutil.copytree(pruned.folder, tmp_path / "run")), "family.json")
    answer = call("evaluate", run, "--trust")
    assert answer.status == 2
    assert "'sys:exit': calling it without arguments failed with SystemExit" in answer.sentence
