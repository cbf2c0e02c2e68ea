"""The user's own data as a search sees them: batches for the weights, and batches for the dial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError, cut
from archdial.data.images import SearchData
from archdial.data.loaders import split_of
from archdial.data.split import Split


@dataclass(frozen=True, eq=False)
class BatchData:
    """Two splits of the user's; never the test split."""

    name: str
    weights: Split
    validation: Split
    classes: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """What is equal for equal data, as far as their first batches and their numbers tell."""
        return digest_of([self.weights.digest, self.validation.digest])


Seen = SearchData | BatchData
"""What a search may see."""


def seen_of(data: object) -> Seen:
    """Return `data` as a search sees them.

    Args:
        data: as `split` gives them, or a mapping with "train" and "validation", each a Dataset, a DataLoader or an
            iterable of batches.

    Raises:
        UsageError: it is neither, or one of the two is missing.
    """
    if isinstance(data, SearchData | BatchData):
        return data
    if not isinstance(data, Mapping):
        raise UsageError(
            f'data of type {type(data).__name__}: expected {{"train": …, "validation": …}}, or what split(load(…), …) '
            "returns"
        )
    missing = [name for name in ("train", "validation") if name not in data]
    if missing or len(data) > 2:
        raise UsageError(
            f"data with {cut(', '.join(map(str, data)) or 'nothing')}: expected train and validation; keep the test "
            "split for scoring members"
        )
    return BatchData("the caller's", split_of(data["train"], "train"), split_of(data["validation"], "validation"))
