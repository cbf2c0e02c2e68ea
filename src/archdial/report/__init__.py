"""From the files of a run to numbers, figures, and one page, a plot or a table."""
