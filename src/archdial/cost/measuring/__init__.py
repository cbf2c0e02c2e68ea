"""What a batch takes in a module, in a runtime on this machine."""
