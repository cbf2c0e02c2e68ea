"""Tasks: the contents of a batch, losses, scores, and the distance from a teacher's outputs."""
