"""What every room may use: errors, what comes from outside, what is written, and what a process is."""
