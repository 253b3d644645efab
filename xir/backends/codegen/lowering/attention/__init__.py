"""Attention in one kernel: products with keys, a softmax, and products with values, a block of queries at a time."""
