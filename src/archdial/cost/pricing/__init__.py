"""From a cost table to what architectures, and distributions of them, cost."""
