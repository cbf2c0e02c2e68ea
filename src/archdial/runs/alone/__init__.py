"""Members trained individually: which, how, in which process, and the files that keep them."""
