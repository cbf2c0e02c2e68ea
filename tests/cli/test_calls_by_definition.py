"""Wrong calls made from the command line's own definition: exit status 2, a sentence, and nothing written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdial.cli import app
from tests.cli.conftest import Searched, call

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Parameter:
    """An argument or option, as the function of its command declares it."""

    name: str
    kind: Any
    argument: bool
    option: str


def parameters_of(function: Any) -> list[Parameter]:
    found = []
    for name, hint in get_type_hints(function, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        kind, info = get_args(hint)[:2]
        inner = [arm for arm in get_args(kind) if arm is not type(None)] if get_origin(kind) is UnionType else [kind]
        long = [text for text in info.param_decls or () if text.startswith("--")]
        option = long[0] if long else f"--{name.replace('_', '-')}"
        found.append(Parameter(name, inner[0], isinstance(info, typer.models.ArgumentInfo), option))
    return found


COMMANDS = {
    one.name or one.callback.__name__.replace("_", "-"): parameters_of(one.callback)
    for one in app.registered_commands
    if one.callback is not None
}
RIGHT = {
    "add-device": ["{run}", "pi", "{run}/table.json"],
    "compare": ["{run}", "--baselines", "random"],
    "demo": ["--out", "new"],
    "evaluate": ["{run}"],
    "experiments": ["{run}"],
    "export": ["{run}", "--at", "1", "--format", "pt2", "--out", "new.pt2"],
    "finetune": ["{run}", "--at", "1"],
    "pick": ["{run}", "--at", "1"],
    "profile": ["{recipe}", "--out", "new.json"],
    "quantize": ["{run}", "--at", "1"],
    "recipes": [],
    "doctor": [],
    "refine": ["{run}"],
    "report": ["{run}"],
    "search": ["{recipe}", "--out", "new"],
    "train": ["{recipe}", "--out", "new.safetensors"],
}
"""A call that works, or would go on to; each wrong one has one thing more, less or other."""

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00/"), min_size=1, max_size=12).map(
    lambda text: f"x{text}x"
)
NO_NUMBERS = st.one_of(WORDS, st.sampled_from(["1e", "0x1g", "--", "1,5", "ten", "²", "1_", "[1]", "None", "true"]))
BEYOND = st.sampled_from(["-1", "-9999999999", str(2**63), str(10**30), "9" * 400, "1e400", "1.5", "-inf", "nan"])
PLACES = st.sampled_from(["{file}/new", "{file}", "{full}", "/proc/none/new", "/dev/null/new"])


@dataclass
class Place:
    run: Path
    recipe: Path
    folder: Path

    def filled(self, words: list[str]) -> list[str]:
        names = {"run": self.run, "recipe": self.recipe, "file": self.folder / "file", "full": self.folder / "full"}
        for name, path in names.items():
            words = [word.replace(f"{{{name}}}", str(path)) for word in words]
        return words

    def state(self) -> dict[str, tuple[int, int]]:
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@pytest.fixture(scope="module")
def place(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("wrong")
    run = Path(shutil.copytree(searched.folder, folder / "run"))
    (folder / "file").write_text("no run, no recipe, no table")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("mine")
    recipe = Path(shutil.copy(searched.recipe, folder / "tiny.yaml"))
    return Place(run, recipe, folder)


def wrong_values(parameter: Parameter) -> st.SearchStrategy[str] | None:
    """Return values that cannot be right for a parameter; None where every text may be."""
    kind, name = parameter.kind, parameter.name
    if kind is int:
        return st.one_of(NO_NUMBERS, BEYOND)
    if kind is float:
        return st.one_of(NO_NUMBERS, st.sampled_from(["-1", "nan", "-inf", "-1e400", "0"]))
    if get_origin(kind) is Literal:
        return WORDS
    by_name = {
        "run": PLACES | WORDS,
        "source": PLACES | WORDS,
        "recipe": WORDS | st.sampled_from(["{file}", "{full}", "{full}/none.yaml"]),
        "data": st.sampled_from(["{file}", "/nowhere", "./none", "{full}"]),
        "device": WORDS | st.sampled_from(["cpu:7", "cuda:99", "cuda:-1", "meta", "cuda:" + "9" * 30]),
        "at": NO_NUMBERS | st.sampled_from(["0", "-1", "1e9", "1e-9", "nan", "inf", "1,2,3", ",", "1,"]),
        "on": WORDS,
        "format": WORDS,
        "runtime": WORDS,
        "baselines": WORDS | st.sampled_from([",", "random,", "random,,greedy"]),
        "weights": st.sampled_from(["{file}", "/nowhere", "{full}"]),
        "model": st.sampled_from(["nowhere:make", "resnet18", "math:pi", ":", "x"]),
        "table": st.sampled_from(["{file}", "/nowhere.json", "a={file}", "{full}"]),
        "bundle": st.sampled_from(["{full}", "{file}", "{file}/new"]),
        "out": st.sampled_from(["{file}/new", "{file}"]),
    }
    if name == "name":
        return st.sampled_from(["../x", "a/b", "..", " ", "a\nb", "\\x"])
    return by_name.get(name)


@st.composite
def wrong_calls(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(sorted(COMMANDS)))
    parameters, words = COMMANDS[command], list(RIGHT[command])
    how = draw(st.sampled_from(["value", "value", "value", "value", "empty", "unknown", "missing", "more"]))
    if how == "unknown" or (how != "more" and not words):
        return [command, *words, f"--{draw(WORDS)}"]
    if how == "more":
        return [command, *words, *draw(st.lists(WORDS, min_size=1, max_size=3))]
    if how == "missing":
        return [command, *words[:-1]] if len(words) > 1 or words[0] != "{run}" else [command]
    spoilt = [(one, values) for one in parameters if (values := wrong_values(one)) is not None]
    parameter, values = draw(st.sampled_from(spoilt))
    value = "" if how == "empty" else draw(values)
    return [command, *replaced(words, parameter, value)]


def replaced(words: list[str], parameter: Parameter, value: str) -> list[str]:
    """Return `words` with `value` for `parameter`, in place of what was there for it."""
    if parameter.argument:
        place = {"run": 0, "recipe": 0, "source": 0, "name": 1, "table": 2}[parameter.name]
        return [*words[:place], value, *words[place + 1 :]]
    name = parameter.option
    if name in words:
        place = words.index(name)
        words = words[:place] + words[place + 2 :]
    return [*words, name, value]


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(words=wrong_calls())
def test_wrong_calls(place: Place, monkeypatch_module: pytest.MonkeyPatch, words: list[str]) -> None:
    before = place.state()
    answer = call(*place.filled(words))
    said = [line for line in answer.err.splitlines() if line.strip()]
    assert answer.status == 2, (words, answer)
    assert said[-1].startswith(("error: ", "Error: ")) and len(said[-1]) < 1600, (words, answer.err)
    assert "error: unexpected" not in said[-1] and "Traceback" not in answer.err
    assert place.state() == before
    assert not (place.folder / "cwd").exists() or not any((place.folder / "cwd").iterdir())


@pytest.fixture(scope="module", autouse=True)
def monkeypatch_module(place: Place) -> Any:
    """Work in an empty folder, into which nothing may be written."""
    with pytest.MonkeyPatch.context() as patch:
        (place.folder / "cwd").mkdir()
        patch.chdir(place.folder / "cwd")
        yield patch


def test_every_command_has_a_right_call() -> None:
    assert RIGHT.keys() == COMMANDS.keys()
