"""From graphs to programs of kernels: which kernels there are, what they fuse, how their loops run."""
