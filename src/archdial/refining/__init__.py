"""Trained members correct the ranking: which are trained, what they tell of the others, and the family after."""
