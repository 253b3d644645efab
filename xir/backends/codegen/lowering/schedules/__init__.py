"""Which loops of a kernel run at once, which become vectors, and in what order they go."""
