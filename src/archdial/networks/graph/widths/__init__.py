"""Which dimensions of a captured network may be cut together, and cutting them."""
