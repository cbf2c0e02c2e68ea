"""Shared by all packages: errors, untrusted input, writing files, and processes."""
