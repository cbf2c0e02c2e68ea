"""What Borodin (2023) looks at before a hypernetwork is believed, on the family of any search."""
