"""The largest sensible numbers; imports no libraries, because the command line's help uses them too."""

MOST_COUNT = 1_000_000
MOST_POSITIONS = 10_000
MOST_SEED = 2**63 - 1
MOST_MS = 1e9
MOST_BYTES = 2**60
