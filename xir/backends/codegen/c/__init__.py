"""Kernels as C text: the second emitter, which keeps the loop language honest."""
