"""Networks with options."""
