"""Networks that nobody here wrote, small and with random weights; a list a file, by what they are for."""
