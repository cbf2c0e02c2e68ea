"""The search: settings, steps, the loop, and its state."""
