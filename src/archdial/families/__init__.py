"""The result of a search: families and their members, in memory and on disk."""
