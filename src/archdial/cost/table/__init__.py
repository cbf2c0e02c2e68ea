"""The cost table: its file, and the fit to whole networks in it."""
