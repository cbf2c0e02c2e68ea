"""Data: named sets and the user's folders, what a search may see of them, and the batches drawn from it."""

from archdial.data.batches import Normalize, augment, batches
from archdial.data.images import DataSet, Images, SearchData
from archdial.data.sources import load
from archdial.data.splits import split

__all__ = ["DataSet", "Images", "Normalize", "SearchData", "augment", "batches", "load", "split"]
