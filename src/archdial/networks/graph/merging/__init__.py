"""Two linear operations in a row made one, exactly or not at all."""

from archdial.networks.graph.merging.joints import Joint, joints
from archdial.networks.graph.merging.members import merge_pairs
from archdial.networks.graph.merging.pairs import merged, outline

__all__ = ["Joint", "joints", "merge_pairs", "merged", "outline"]
