"""Bodies and answers of the model families, written apart from the kit's own so that agreement means something."""
