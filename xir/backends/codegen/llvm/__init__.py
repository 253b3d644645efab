"""Programs and kernels as LLVM text."""
