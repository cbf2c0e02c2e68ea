"""What networks are for: what a batch holds, how wrong outputs are, how good, and how far from a teacher's."""
