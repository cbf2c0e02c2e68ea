"""Recipes, and run folders."""
