"""xir: one graph IR for every deep-learning framework."""
