"""Training one plain network."""
