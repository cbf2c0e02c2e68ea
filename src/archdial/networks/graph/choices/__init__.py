"""Where a graph can have choices, and how nodes run under them."""
