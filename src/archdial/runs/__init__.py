"""Recipes, and the folder of a run."""
