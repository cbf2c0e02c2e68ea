"""Members of a run that are trained alone: which, how, in which process, and the files that keep them."""
