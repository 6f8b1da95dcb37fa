"""Bodies and answers of the model families, written apart from the kit's so that agreeing means something."""
