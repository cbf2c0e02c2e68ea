"""What options cost: counted, measured on the device, and as a function of their weights."""
