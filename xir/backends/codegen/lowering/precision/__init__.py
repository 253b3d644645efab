"""Kernels on narrow numbers: bytes, halves, and weights of 4 and 8 bits."""
