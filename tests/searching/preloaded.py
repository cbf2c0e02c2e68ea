"""All that a search imports, some of it only on its way: the process that jobs are copies of imports it once."""

import importlib

MODULES = (
    "tests.searching.job",
    "lightning_fabric",
    "torch._dynamo",
    "tensorboard.compat.proto.summary_pb2",
    "tensorboard.summary.writer.record_writer",
)

for name in MODULES:
    importlib.import_module(name)
