"""Code generation: graphs to kernels, kernels to machine code."""
