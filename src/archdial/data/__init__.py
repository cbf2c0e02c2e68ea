"""Data: named sets and the user's folders, what a search sees of them, and the batches drawn from them."""

from archdial.data.images import DataSet, Images, SearchData, batches
from archdial.data.pixels import Normalize, augment
from archdial.data.search_data import BatchData, Seen, seen_of
from archdial.data.sources import load
from archdial.data.splits import split

__all__ = [
    "BatchData",
    "DataSet",
    "Images",
    "Normalize",
    "SearchData",
    "Seen",
    "augment",
    "batches",
    "load",
    "seen_of",
    "split",
]
