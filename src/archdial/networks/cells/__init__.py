"""Networks of cells, searched from scratch: one kind per file, registered here."""

from archdial.networks.cells.edges import EdgeNetwork
from archdial.networks.cells.nas_bench_201 import NasBench201
from archdial.networks.cells.network import CellNetwork

FROM_SCRATCH: dict[str, type[EdgeNetwork]] = {kind.kind: kind for kind in (CellNetwork, NasBench201)}
