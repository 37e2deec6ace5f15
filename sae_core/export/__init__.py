"""Forms in which an encoder runs elsewhere."""
