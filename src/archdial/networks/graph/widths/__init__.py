"""Which dimensions of a captured network must be narrowed together, and narrowing them."""
