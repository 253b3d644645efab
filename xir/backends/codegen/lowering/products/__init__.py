"""Sums of products: matrix products, convolutions and all that is like them, in register tiles."""
