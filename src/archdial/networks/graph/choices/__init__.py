"""Where a graph may have choices, and how a node runs under them."""
