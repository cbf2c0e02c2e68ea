"""The extras of archdial: which libraries each brings, and which of them are here in a version that fits."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

_OWN = "archdial"
_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Library:
    """One library of an extra.

    Attributes:
        name: on the package index.
        needed: the versions that archdial works with, as "<8,>=6".
        version: the installed one, or None.
        fits: whether it is installed, in one of these versions.
    """

    name: str
    needed: str
    version: str | None
    fits: bool


def extras() -> dict[str, list[Library]]:
    """Return the libraries of each extra for users, as the metadata of the installed archdial lists them.

    Empty where archdial is not installed, but run from its sources.
    """
    try:
        names = metadata.metadata(_OWN).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        # Run from a folder of sources that nobody installed.
        return {}
    required = [Requirement(text) for text in metadata.requires(_OWN) or []]
    return {
        name: [_library(one) for one in required if one.marker is not None and one.marker.evaluate({"extra": name})]
        for name in names
        if name != _DEVELOPERS
    }


def _library(required: Requirement) -> Library:
    needed = str(required.specifier)
    try:
        version = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        return Library(required.name, needed, None, False)
    # A build of the day counts as the release that it precedes.
    return Library(required.name, needed, version, required.specifier.contains(version, prereleases=True))
