"""Measuring the latency of a batch in a module, in a runtime on this machine."""
