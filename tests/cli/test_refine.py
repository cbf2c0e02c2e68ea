"""archdial refine: what it trains, keeps and says; interrupted and taken up; in one process or in several."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from archdial.cli.picking import CHECKPOINT
from archdial.families.storage import load_family
from archdial.runs.alone import school
from archdial.runs.alone.kept import trained_module
from archdial.runs.opening import open_family
from archdial.runs.run_data import finished_run
from archdial.training.plain_network import TrainPlain
from tests.cli.conftest import Searched, call, done
from tests.cli.test_failed_runs import interrupt_at

pytestmark = pytest.mark.slow

MEMBERS = ("--members", 4, "--epochs", 2)
STEPS = 2
"""Of each training here: an epoch of 60 images has one batch."""


@pytest.fixture(scope="module")
def refined(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A refined run; tests that change it take a copy."""
    run = Path(shutil.copytree(searched.folder, tmp_path_factory.mktemp("refined") / "run"))
    answer = done("refine", run, *MEMBERS, "--workers", 1, "--json")
    (run / "answer.json").write_text(answer.out, encoding="utf-8")
    return run


def contents(run: Path) -> dict[str, bytes]:
    """What is the same however the members were trained: all but checkpoints of the search and its logs."""
    kept = [run / "family.json", run / "weights.safetensors", *(run / "refined").iterdir()]
    return {str(path.relative_to(run)): path.read_bytes() for path in kept}


def test_what_it_says(refined: Path) -> None:
    value = json.loads((refined / "answer.json").read_text(encoding="utf-8"))
    rows = value["trained"]
    assert len(rows) == 4 and len({row["name"] for row in rows}) == 4
    assert [row["latency_ms"] for row in rows] == sorted(row["latency_ms"] for row in rows)
    assert (value["weights"], value["epochs"], value["seed"], value["accuracy_split"]) == (
        "retrained",
        2,
        0,
        "validation",
    )
    scores = [row["after_training"]["accuracy"] for row in rows]
    inherited = [row["accuracy"] for row in rows]
    for row, score, own in zip(rows, scores, inherited, strict=True):
        assert row["rank"] == {
            "after": 1 + sum(other > score for other in scores),
            "before": 1 + sum(other > own for other in inherited),
        }
        assert row["after_training"]["provenance"] == "measured" and 0 <= row["foretold"] <= 1
    for tau in value["tau"].values():
        assert tau is None or -1 <= tau <= 1


def test_the_scores_are_those_of_the_kept_weights_on_validation_images(refined: Path) -> None:
    from archdial.comparing.measured import score

    family = open_family(refined)
    data = finished_run(refined, family).data
    value = json.loads((refined / "answer.json").read_text(encoding="utf-8"))
    for row in value["trained"]:
        member = family.member(family.space.parse(row["architecture"]))
        module = trained_module(refined, member)
        assert score(module, data.seen.validation, family.task) == row["after_training"]["accuracy"]


def test_no_test_image_is_looked_at(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def score(module: Any, images: Any, task: Any) -> float:
        seen.append(images)
        return 0.5

    monkeypatch.setattr(school, "score", score)
    done("refine", copied, *MEMBERS, "--workers", 1)
    data = finished_run(copied, open_family(copied)).data
    assert len(seen) == 4 and {one.digest for one in seen} == {data.seen.validation.digest}
    assert data.seen.validation.digest != data.tested.digest


def test_each_is_the_member_that_finetune_would_train(searched: Searched, refined: Path, tmp_path: Path) -> None:
    """The same seed, epochs and images: what refine claims can be had by another command.

    The best before refining is always trained; the best afterwards may be one of which that is only predicted.
    """
    best = load_family(searched.folder).within(latency_ms=1e6)
    member = open_family(refined).member(best.architecture)
    assert member.after_training is not None and member.after_training.name is not None
    with torch.random.fork_rng():
        done("finetune", searched.folder, "--latency-ms", 1e6, "--epochs", 2, "--scratch", "--out", tmp_path / "m")
    from archdial.families.storage import load_member

    own, other = trained_module(refined, member).state_dict(), load_member(tmp_path / "m").state_dict()
    assert all(own[name].equal(other[name]) for name in own)
    assert not (tmp_path / "m" / CHECKPOINT).exists()


def test_what_it_leaves(searched: Searched, refined: Path) -> None:
    family, before = load_family(refined), load_family(refined / "unrefined")
    assert before.refinement is None and family.refinement is not None
    for name in ("family.json", "weights.safetensors"):
        assert (refined / "unrefined" / name).read_bytes() == (searched.folder / name).read_bytes()
    assert family.info["refined"]["weights"] == "retrained"
    names = {path.stem for path in (refined / "refined").glob("*.safetensors")}
    assert names == {claim.name for claim in family.refinement.trained}
    assert {path.name for path in (refined / "refined").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("safetensors", "json")
    }
    for name in names:
        told = json.loads((refined / "refined" / f"{name}.json").read_text(encoding="utf-8"))
        assert told.keys() >= {"config", "seed", "versions", "device", "epochs", "score", "architecture"}
        assert (told["split"], told["epochs"], told["seed"]) == ("validation", 2, 0)


def test_pick_and_evaluate_tell_both_scores(refined: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(refined, tmp_path / "run"))
    picked = done("pick", run, "--latency-ms", 1e6, "--json").json
    assert picked["provenance"]["weights"] == "inherited"
    assert picked["after_training"].keys() == {"accuracy", "provenance", "weights", "epochs", "trained"}
    shown = done("pick", run, "--latency-ms", 1e6).out
    assert "trained %" in shown and f"{100 * picked['after_training']['accuracy']:.2f}" in shown
    done("evaluate", run, "--count", 3)
    rows = json.loads((run / "members.json").read_text(encoding="utf-8"))["members"]
    assert all(0 <= row["after_training"]["accuracy"] <= 1 for row in rows)
    done("report", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "trained %" in page and "after individual training" in page


def test_going_back_is_copying_the_family_of_before(searched: Searched, refined: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(refined, tmp_path / "run"))
    for name in ("family.json", "weights.safetensors"):
        shutil.copyfile(run / "unrefined" / name, run / name)
    old, new = (done("pick", folder, "--at", "0.1", "--json") for folder in (searched.folder, run))
    assert old.json == new.json


def test_interrupted_it_names_the_command_and_goes_on_to_the_bit(
    refined: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # In the second of four trainings.
        interrupt_at(STEPS + 1, patch)
        stopped = call("refine", copied, *MEMBERS, "--workers", 1)
    assert stopped.status == 130
    assert f"1 of 4 members are trained and saved in {copied / 'refined'}" in stopped.sentence
    assert stopped.sentence.endswith(f"archdial refine {copied} --resume")
    assert not (copied / "unrefined").exists() and load_family(copied).refinement is None
    kept = list((copied / "refined").glob("*.safetensors"))
    before = kept[0].stat().st_mtime_ns
    again = call("refine", copied, *MEMBERS)
    assert again.status == 2 and "continue it with --resume" in again.sentence
    other = call("refine", copied, "--members", 3, "--resume")
    assert other.status == 2 and "started with members = 4, not 3" in other.sentence
    done("refine", copied, "--resume", "--workers", 1)
    assert len(kept) == 1 and kept[0].stat().st_mtime_ns == before
    assert contents(copied) == contents(refined)


def test_two_processes_give_what_one_gives(refined: Path, copied: Path) -> None:
    done("refine", copied, *MEMBERS, "--workers", 2)
    assert contents(copied) == contents(refined)


def test_ctrl_c_ends_all_processes_and_they_are_taken_up(refined: Path, copied: Path) -> None:
    command = [sys.executable, "-c", "import archdial.cli; archdial.cli.main()", "refine", str(copied)]
    process = subprocess.Popen(
        [*command, *map(str, MEMBERS), "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not (workers := _children(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert workers and "--resume" in said and "Traceback" not in said
    assert not any(map(_runs, workers))
    done("refine", copied, "--resume", "--workers", 1)
    assert contents(copied) == contents(refined)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_again_it_trains_others_and_goes_by_all(refined: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(refined, tmp_path / "run"))
    value = done("refine", run, "--members", 2, "--epochs", 2, "--workers", 1, "--json").json
    first = {row["name"] for row in json.loads((run / "answer.json").read_text(encoding="utf-8"))["trained"]}
    names = {row["name"] for row in value["trained"]}
    assert first < names and len(names) == 6
    assert load_family(run / "unrefined").refinement is None
    apart = done("refine", run, "--members", 2, "--epochs", 1, "--workers", 1, "--json").json
    assert len(apart["trained"]) == 2 and apart["epochs"] == 1


def test_from_inherited_weights(copied: Path) -> None:
    value = done("refine", copied, "--members", 2, "--epochs", 1, "--inherited", "--workers", 1, "--json").json
    assert value["weights"] == "finetuned"
    assert all(row["name"].startswith("finetuned-1-") for row in value["trained"])


def test_a_loss_that_is_no_number_ends_it_with_a_sentence(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TrainPlain, "__call__", lambda *_: {"loss": float("nan")})
        answer = call("refine", copied, *MEMBERS, "--workers", 1)
    assert answer.status == 1 and "the loss became nan" in answer.sentence
    assert load_family(copied).refinement is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--resume",), "no refinement to resume"),
        (("--on", "pi"), "device 'pi'"),
        (("--device", "tpu"), "tpu"),
        (("--data", "nowhere:data"), "nowhere"),
    ],
)
def test_wrong_calls(copied: Path, words: tuple[str, ...], says: str) -> None:
    answer = call("refine", copied, *words)
    assert answer.status == 2 and says in answer.sentence
    assert not (copied / "refined").exists()


def test_what_is_no_run(tmp_path: Path) -> None:
    answer = call("refine", tmp_path / "nowhere")
    assert answer.status == 2 and "no run at" in answer.sentence


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_damaged_plan_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch, keep: float) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(1, patch)
        call("refine", copied, *MEMBERS, "--workers", 1)
    plan = copied / "refined" / "plan.json"
    content = plan.read_bytes()
    plan.write_bytes(content[: int(keep * len(content))])
    answer = call("refine", copied, "--resume")
    assert answer.status == 2 and str(plan) in answer.sentence


def test_a_damaged_member_is_refused(refined: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(refined, tmp_path / "run"))
    path = next((run / "refined").glob("*.json"))
    path.write_text(path.read_text().replace('"score": 0.', '"score": 0.1'))
    answer = call("refine", run, *MEMBERS, "--workers", 1)
    assert answer.status == 2 and str(path) in answer.sentence and "edited or damaged" in answer.sentence
    weights = next((run / "refined").glob("*.safetensors"))
    family = open_family(refined)
    member = next(
        family.member(claim.architecture)
        for claim in (family.refinement.trained if family.refinement else ())
        if claim.name == weights.stem
    )
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="edited or damaged"):
        trained_module(run, member)
