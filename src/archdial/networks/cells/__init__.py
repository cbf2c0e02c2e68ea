"""Networks of cells, searched from scratch."""
