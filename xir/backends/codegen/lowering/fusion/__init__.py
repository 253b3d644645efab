"""Kernels that become one."""
