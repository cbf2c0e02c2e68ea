"""From a cost table to the cost of architectures, and of distributions over them."""
