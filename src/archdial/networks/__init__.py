"""Where choices live: networks with options."""
