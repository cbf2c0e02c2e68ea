"""One section of the page: a heading, a sentence and its content."""

from __future__ import annotations

from html import escape


def section(title: str, note: str, content: str) -> str:
    """Return a section; `title` and `note` are text, `content` is HTML."""
    paragraph = f"<p>{escape(note)}</p>" if note else ""
    return f"\n<section><h2>{escape(title)}</h2>{paragraph}\n{content}</section>"


def chart(name: str) -> str:
    """Return the place of the chart that the page's figures have under `name`."""
    return f'<div id="{name}"></div>'
