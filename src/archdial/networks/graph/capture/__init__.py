"""From a module to the graph of what it runs."""
