"""Modules and programs of a running PyTorch; torch is imported by nobody but the caller."""
