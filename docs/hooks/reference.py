"""The reference: a page for each public name, found in the code itself, so that a new one cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

SOURCES = Path(__file__).parents[2] / "src"
PACKAGE = "archdial"
RETURNED = {
    "CellNetwork": "archdial.networks.cells.network.CellNetwork",
    "GatedNetwork": "archdial.networks.graph.network.GatedNetwork",
    "Architecture": "archdial.space.Architecture",
    "Space": "archdial.space.Space",
    "data.load": "archdial.data.sources.load",
    "data.split": "archdial.data.splits.split",
    "data.DataSet": "archdial.data.images.DataSet",
    "data.Normalize": "archdial.data.pixels.Normalize",
    "data.SearchData": "archdial.data.images.SearchData",
    "TaskInterface": "archdial.tasks.task.Task",
    "Measure": "archdial.tasks.measure.Measure",
    "TableContents": "archdial.cost.table.contents.TableContents",
    "AfterTraining": "archdial.families.member.AfterTraining",
    "Exported": "archdial.exporting.record.Exported",
    "Promise": "archdial.families.promise.Promise",
    "types": "archdial.common.limits",
}
"""Public beside `archdial.__all__`: what public functions take and return, by the name of its page."""

GROUPS = {
    "networks": "Networks",
    "space": "Networks",
    "data": "Data",
    "tasks": "Tasks",
    "cost": "Costs",
    "dial": "Dials",
    "searching": "Search",
    "training": "Search",
    "families": "Families and members",
    "comparing": "Families and members",
    "exporting": "Families and members",
    "common": "Errors and types",
}
"""By the package of archdial that a name comes from."""


BASE = (
    "members: false, inherited_members: false, show_source: false, heading_level: 2, show_root_full_path: false, "
    "show_bases: false"
)
"""How a class is shown on the page of another one that inherits from it."""

TYPES = (
    "show_root_heading: false, show_root_toc_entry: false, show_source: false, heading_level: 2, show_labels: false, "
    "filters: ['!^_', '!^NoFlag$', '!^[a-z]']"
)
"""How the module of types is shown."""

LAST = {griffe.Kind.FUNCTION: 1, griffe.Kind.CLASS: 2, griffe.Kind.ATTRIBUTE: 3}
"""The order within a group."""


@dataclass(frozen=True)
class Public:
    """A public name: how it is called, where it is defined, and what it is."""

    name: str
    """As users write it, without the package: `search`, `dial.Power`."""
    shown: str
    """The identifier that its page is made for: the public path if there is one."""
    what: griffe.Object

    @property
    def home(self) -> str:
        """The path of its definition."""
        return self.what.path

    @property
    def page(self) -> str:
        """The path of its page on the site."""
        return f"reference/{self.name}.md"

    @property
    def heading(self) -> str:
        """The title of its page: the public path, or the bare name of what is only returned."""
        public = self.name not in RETURNED or self.name.startswith("data.")
        return f"{PACKAGE}.{self.name}" if public else self.what.name

    @property
    def group(self) -> str:
        """The heading that it is listed under."""
        room = self.home.split(".")[1]
        if self.home.endswith("families.searched.search"):
            return GROUPS["searching"]
        if room not in GROUPS:
            raise PluginError(f"{self.home}: no group for {room}; add one to GROUPS in docs/hooks/reference.py")
        return GROUPS[room]

    @property
    def told(self) -> str:
        """The first sentence of its docstring."""
        text = self.what.docstring.value if self.what.docstring else ""
        if not text:
            raise PluginError(f"{self.home} is public and has no docstring: write one")
        return " ".join(text.split("\n\n")[0].split())


@cache
def package() -> griffe.Module:
    """Return archdial as its sources have it; nothing is imported."""
    found = griffe.load(PACKAGE, search_paths=[str(SOURCES)], resolve_aliases=True)
    assert isinstance(found, griffe.Module)
    return found


def exported(module: griffe.Module) -> list[str]:
    """Return the names in `__all__`."""
    return [str(name) for name in module.exports or ()]


@cache
def public() -> tuple[Public, ...]:
    """Return each public name once, in the order of the code."""
    names = [*exported(package())]
    names += [f"dial.{name}" for name in exported(package()["dial"]) if name not in names]
    shown = {name: f"{PACKAGE}.{name}" for name in names} | RETURNED
    return tuple(Public(name, path, _found(path)) for name, path in shown.items())


def _found(path: str) -> griffe.Object:
    found = package()[path.removeprefix(f"{PACKAGE}.")]
    return found.final_target if isinstance(found, griffe.Alias) else found


def grouped() -> dict[str, list[Public]]:
    """Return the public names by group, modules and functions first."""
    found: dict[str, list[Public]] = {group: [] for group in GROUPS.values()}
    for one in sorted(public(), key=lambda one: (LAST.get(one.what.kind, 0), one.name.lower())):
        found[one.group].append(one)
    return found


def listing(names: list[Public]) -> str:
    """Return a list of links with what each is."""
    return "\n".join(f"- [`{one.name}`]({one.name}.md): {one.told}" for one in names)


def page_of(one: Public) -> str:
    """Return the text of the page of a public name."""
    if one.name == "types":
        return f"# Types of settings\n\n::: {one.shown}\n    options: {{{TYPES}}}\n"
    if isinstance(one.what, griffe.Module):
        shown = [other for other in public() if other.home.startswith(f"{one.home}.")]
        return f"::: {one.shown}\n    options: {{members: false, show_source: false}}\n\n{listing(shown)}\n"
    return f"::: {one.shown}\n    options: {{heading: {one.heading}}}\n" + "".join(_inherited(one.what))


def _inherited(what: griffe.Object) -> Iterator[str]:
    """Yield the attributes that a class inherits from classes without a page of their own."""
    if not isinstance(what, griffe.Class):
        return
    known = {one.home for one in public()}
    for base in what.mro():
        if base.path not in known and base.docstring and "Attributes:" in base.docstring.value:
            yield f"\n::: {base.path}\n    options: {{{BASE}}}\n"


def pages() -> dict[str, str]:
    """Return the text of each page of the reference, by its path on the site."""
    index = [
        "# Reference",
        "",
        "Made from the docstrings. `import archdial as ad`, then `ad.search` and so on; nothing is loaded before it is",
        "used. Shapes are written `(n, c, h, w)`, and `()` is a single number.",
    ]
    for group, names in grouped().items():
        index += ["", f"## {group}", "", listing(names)]
    return {"reference/index.md": "\n".join(index) + "\n"} | {one.page: page_of(one) for one in public()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, where it has the reference."""
    entries: list[Any] = ["reference/index.md"]
    entries += [{group: [{one.name: one.page} for one in names]} for group, names in grouped().items()]
    config.nav = [{"Reference": entries} if "Reference" in entry else entry for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for page, text in pages().items():
        files.append(File.generated(config, page, content=text))
    return files
