"""The dial of the page in a real browser: by slider, keyboard, budget, click and address."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archdial.report.page import write_page

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Opened:
    """A page that is open, and what went wrong in it."""

    def __init__(self, browser: Any, folder: Path, value: dict[str, Any], **how: Any) -> None:
        self.address = write_page(folder / "report.html", value).as_uri()
        self.page = browser.new_context(**how).new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.goto(self.address)

    @property
    def hash(self) -> str:
        return str(self.page.evaluate("location.hash"))

    @property
    def facts(self) -> dict[str, str]:
        """What the page tells of the chosen member, by name."""
        names, texts = (self.page.locator(f"#chosen {tag}").all_inner_texts() for tag in ("dt", "dd"))
        return dict(zip(names, texts, strict=True))

    def until(self, condition: str) -> None:
        """Wait until `condition` holds; the page's own policy forbids it to evaluate a text again and again."""
        for _ in range(200):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(condition)

    def text(self, name: str) -> str:
        return str(self.page.locator(f"#{name}").inner_text())


@pytest.fixture
def opened(browser: Any, tmp_path: Path, scalar_file: dict[str, Any]) -> Iterator[Opened]:
    found = Opened(browser, tmp_path, scalar_file)
    yield found
    assert found.faults == []
    found.page.context.close()


def by_latency(value: dict[str, Any]) -> list[int]:
    return sorted(range(len(value["members"])), key=lambda i: value["members"][i]["latency_ms"])


def test_it_begins_with_the_best_and_moves_by_keys(opened: Opened, scalar_file: dict[str, Any]) -> None:
    members, order = scalar_file["members"], by_latency(scalar_file)
    best = max(range(len(members)), key=lambda i: members[i]["accuracy"])
    assert opened.facts["accuracy"] == f"{100 * members[best]['accuracy']:.2f} %"
    opened.page.focus("#dial")
    opened.page.keyboard.press("Home")
    assert opened.hash == f"#member={order[0]}"
    opened.page.keyboard.press("ArrowRight")
    assert opened.hash == f"#member={order[1]}"
    assert opened.facts["latency"] == f"~{members[order[1]]['latency_ms']:.2f} ms"
    opened.page.keyboard.press("End")
    assert opened.hash == f"#member={order[-1]}"
    assert "of 15: " in opened.page.get_attribute("#dial", "aria-valuetext")


@pytest.mark.parametrize(
    ("kind", "share"), [("latency_ms", 0.5), ("parameters", 0.4), ("flops", 0.6)], ids=["ms", "parameters", "FLOPs"]
)
def test_a_budget_chooses_the_best_within_it(
    opened: Opened, scalar_file: dict[str, Any], kind: str, share: float
) -> None:
    members = scalar_file["members"]
    values = sorted(member[kind] for member in members)
    limit = values[int(share * len(values))]
    opened.page.select_option("#budget-kind", kind)
    opened.page.fill("#budget", str(limit))
    best = max((one for one in members if one[kind] <= limit), key=lambda one: one["accuracy"])
    assert opened.facts["accuracy"] == f"{100 * best['accuracy']:.2f} %"
    assert f"--at {best['dial']!r} " in opened.text("build-command")
    assert opened.hash.startswith(f"#{kind}=")


def test_what_no_member_keeps_is_said(opened: Opened, scalar_file: dict[str, Any]) -> None:
    before = opened.facts
    opened.page.fill("#budget", "0.001")
    least = min(member["latency_ms"] for member in scalar_file["members"])
    assert opened.text("budget-answer") == f"No member: the least is {float(f'{least:.3g}'):g} ms."
    assert opened.facts == before


def test_the_address_brings_the_choice_back(opened: Opened) -> None:
    opened.page.fill("#budget", "3")
    chosen = opened.facts
    opened.page.reload()
    assert opened.facts == chosen
    assert opened.page.input_value("#budget") == "3"
    opened.page.evaluate("location.hash = '#member=2'")
    opened.until("document.getElementById('budget').value === ''")
    assert opened.facts != chosen
    # Somebody else's address, or a damaged one.
    opened.page.evaluate("location.hash = '#member=99&latency_ms=x'")
    opened.until("!document.getElementById('budget-answer').textContent")
    assert opened.facts["accuracy"]


def test_a_click_on_a_dot_chooses_it(opened: Opened, scalar_file: dict[str, Any]) -> None:
    opened.page.focus("#dial")
    opened.page.keyboard.press("Home")
    before = opened.hash
    opened.page.evaluate(
        "document.getElementById('front').emit('plotly_click', {points: [{curveNumber: 2, pointNumber: 5}]})"
    )
    assert opened.hash == "#member=5" != before
    opened.until("document.getElementById('front').layout.shapes?.length === 1")
    ring = opened.page.evaluate("document.getElementById('front').layout.shapes[0].xanchor")
    assert ring == scalar_file["members"][5]["latency_ms"]


def test_commands_name_the_folder_of_the_page(browser: Any, tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    folder = tmp_path / "it's a run"
    folder.mkdir()
    opened = Opened(browser, folder, {**scalar_file, "on": "pi 4"})
    quoted = str(folder).replace("'", "'\\''")
    assert opened.text("build-command").startswith(f"archdial pick '{quoted}' --at ")
    assert "--on 'pi 4'" in opened.text("build-command")
    line = opened.text("build-python")
    assert f'archdial.load("{folder}").at(' in line and 'device="pi 4"' in line
    compile(line, "line", "exec")
    assert opened.faults == []


def test_choices_of_the_member_are_listed(opened: Opened, scalar_file: dict[str, Any]) -> None:
    opened.page.evaluate("location.hash = '#member=3'")
    opened.page.click("#choices summary")
    opened.page.wait_for_selector("#choices dd")
    names, options = (opened.page.locator(f"#choices {tag}").all_inner_texts() for tag in ("dt", "dd"))
    assert dict(zip(names, options, strict=True)) == scalar_file["members"][3]["architecture"]


@pytest.mark.parametrize("file", ["scalar_file", "simplex_file"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_light_and_dark(
    browser: Any, tmp_path: Path, file: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    value = request.getfixturevalue(file)
    opened = Opened(browser, tmp_path, value, viewport={"width": 360, "height": 640}, color_scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = opened.page.evaluate("document.getElementById('front')._fullLayout.paper_bgcolor")
    assert paper.lower() == {"light": "white", "dark": "#1b1e24"}[scheme]
    opened.page.emulate_media(color_scheme={"light": "dark", "dark": "light"}[scheme])
    opened.until(f"document.getElementById('front')._fullLayout.paper_bgcolor.toLowerCase() !== '{paper.lower()}'")
    assert opened.faults == []


def test_names_of_files_stay_text(browser: Any, tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    name = '<img src=x onerror="document.title=1">'
    for member in scalar_file["members"]:
        member["architecture"] = {name: name}
    opened = Opened(browser, tmp_path, {**scalar_file, "on": name})
    opened.page.click("#choices summary")
    opened.page.wait_for_selector("#choices dd")
    assert opened.page.locator("#choices dd").all_inner_texts() == [name]
    assert opened.page.locator("img").count() == 0
    assert opened.faults == []
