"""The optional extras of archdial, and which of their libraries are installed in a compatible version."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

_OWN = "archdial"
_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Library:
    """A library that an extra installs.

    Attributes:
        name: on the package index.
        needed: compatible versions, such as "<8,>=6".
        version: the installed version, or None.
        fits: whether a compatible version is installed.
    """

    name: str
    needed: str
    version: str | None
    fits: bool


def extras() -> dict[str, list[Library]]:
    """Return the libraries of each extra, from the metadata of the installed archdial.

    The extra for developers is left out. Empty if archdial runs from its sources without being installed.
    """
    try:
        names = metadata.metadata(_OWN).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        # Run from its sources without being installed.
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
    # Pre-releases count as well.
    return Library(required.name, needed, version, required.specifier.contains(version, prereleases=True))
