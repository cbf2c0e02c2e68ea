"""Costs of options: counted, measured on the device, and as a function of option weights."""
