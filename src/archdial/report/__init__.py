"""The files of a run turned into numbers, these into figures, and these into one page, a picture or a table."""
