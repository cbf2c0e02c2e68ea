"""Files as a stranger hands them over: mutated in every way, each is refused by a sentence or read for what it says."""
