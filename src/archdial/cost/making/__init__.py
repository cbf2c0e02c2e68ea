"""From a network to its cost table."""
