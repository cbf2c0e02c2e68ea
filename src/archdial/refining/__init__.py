"""Trained members correct the ranking: which are trained, what follows for others, and the resulting family."""
