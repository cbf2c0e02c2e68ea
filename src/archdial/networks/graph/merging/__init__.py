"""Merging consecutive linear operations, exactly or not at all."""

from archdial.networks.graph.merging.joints import Joint, joints
from archdial.networks.graph.merging.layers import drawn
from archdial.networks.graph.merging.pairs import merged, outline
from archdial.networks.graph.merging.rows import merge_rows

__all__ = ["Joint", "drawn", "joints", "merge_rows", "merged", "outline"]
