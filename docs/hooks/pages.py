"""Pages of the site that are not in docs/: README.md, LICENSE, the examples and others, with links that fit both."""

from __future__ import annotations

import ast
import posixpath
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

HOME = Path(__file__).parents[2]
BESIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "licence.md",
    "benchmarks/RESULTS.md": "results.md",
    "examples": "examples/index.md",
    "src/archdial/cost/table/table.schema.json": "table.schema.json",
}
"""By path in the repository the page or file of the site."""

SCRIPTS = {
    "examples": ("Complete", "Each trains a network on data of another kind, and searches it."),
    "examples/by_feature": ("By feature", "Short scripts, one per feature, mostly on digits from scikit-learn."),
    "examples/bridges": ("Bridges", "From other libraries and back to them; see [bridges](../bridges.md)."),
}
"""By folder of example scripts their heading and what they have in common."""


def site_path(path: str) -> str | None:
    """Return where the site has what is at `path` in the repository; None if it has not."""
    folder, _, name = path.rpartition("/")
    if path in SCRIPTS:
        return BESIDE["examples"]
    if folder in SCRIPTS:
        return f"{folder}/{name.removesuffix('.py')}.md"
    return BESIDE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)


def repository_path(page: str) -> str:
    """Return the path in the repository of what `page` of the site shows."""
    if page.startswith("examples/") and page != BESIDE["examples"]:
        return page.removesuffix(".md") + ".py"
    return next((path for path, shown in BESIDE.items() if shown == page), f"docs/{page}")


def relocated(link: str, page: str) -> str:
    """Return the `link` of a file in the repository as it has to be on `page` of the site, where it is relative."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(repository_path(page)), parts.path))
    found = site_path(target)
    if found is None:
        return link
    return urlunsplit(parts._replace(path=posixpath.relpath(found, posixpath.dirname(page) or ".")))


class Links(Treeprocessor):
    """Rewrites the links of the current page, before MkDocs checks them; code is left alone."""

    page = "index.md"

    def run(self, root: Element) -> None:
        """Rewrite each link below `root`."""
        for link in root.iter("a"):
            link.set("href", relocated(link.get("href", ""), Links.page))


class OnSite(Extension):
    """Adds `Links` to what Markdown does."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Run before MkDocs' own look at links, which has priority 0."""
        md.treeprocessors.register(Links(md), "archdial_links", 5)


def examples(folder: str) -> dict[str, tuple[str, str]]:
    """Return the docstring and text of each example in `folder`, by page."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HOME / folder).glob("*.py"))}
    return {f"{folder}/{name}.md": (ast.get_docstring(ast.parse(text)) or name, text) for name, text in texts.items()}


def example_pages() -> dict[str, str]:
    """Return the text of the page of each example, and of the one that lists all of them, by its path on the site."""
    index = BESIDE["examples"]
    pages, rows = (
        {},
        [
            "# Examples",
            "",
            "Scripts that can be run as they are. Notebooks with their outputs are in `examples/notebooks/`.",
        ],
    )
    for folder, (heading, shared) in SCRIPTS.items():
        rows += ["", f"## {heading}", "", shared, ""]
        for page, (told, text) in examples(folder).items():
            title = titled(page)
            what, _, command = told.splitlines()[0].partition(": ")
            rows.append(f"- [{title}]({posixpath.relpath(page, 'examples')}): {what[:1].lower()}{what[1:]}")
            pages[page] = f"# {title}\n\n{what}:\n\n    {command}\n\n```python\n{text}```\n"
    # Links of generated pages are those of the site already, but go through the same rewriting.
    return pages | {index: "\n".join(rows) + "\n"}


def titled(page: str) -> str:
    """Return the title of the page of an example."""
    return Path(page).stem.replace("_", " ").capitalize()


def generated() -> dict[str, str]:
    """Return the text of each page or file that is not in docs/, by its path on the site."""
    found = {page: HOME / path for path, page in BESIDE.items() if path != "examples"}
    pages = {page: path.read_text(encoding="utf-8") for page, path in found.items()}
    pages["licence.md"] = f"# Licence\n\n{pages['licence.md']}"
    return pages | example_pages()


def with_examples(nav: list[Any]) -> list[Any]:
    """Return the navigation with each example."""
    return [
        {title: with_examples(what) if isinstance(what, list) else listed(what)}
        for entry in nav
        for title, what in entry.items()
    ]


def listed(page: str) -> str | list[Any]:
    """Return what stands in the navigation for `page`: for the examples, that page and all of theirs, by folder."""
    if page != BESIDE["examples"]:
        return page
    return [page, *({heading: list(examples(folder))} for folder, (heading, _) in SCRIPTS.items())]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the examples, rewrite links, and give headings the anchors that code hosts give them."""
    config.nav = with_examples(config.nav or [])
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    config.markdown_extensions.append(OnSite())  # type: ignore[arg-type]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for page, text in generated().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Remember the page whose links are to be rewritten; the home page has nothing beside it to navigate to."""
    Links.page = page.file.src_uri
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return markdown
