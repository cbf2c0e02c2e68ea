"""The experiments of Borodin (2023), for the family of any search."""
