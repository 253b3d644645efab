"""Derivatives as graphs: reverse mode is a function from graphs to graphs."""

from xir.autodiff.reverse import grad, pullback

__all__ = ["grad", "pullback"]
