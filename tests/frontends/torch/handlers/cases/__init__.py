"""Calls of ATen operators, a file a family."""
