"""The cost table: its file, and the fit to whole networks that is in it."""
