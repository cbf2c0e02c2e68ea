"""From a module to a graph of what it runs."""
