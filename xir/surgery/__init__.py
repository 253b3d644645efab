"""Cutting, joining and comparing graphs."""

from xir.surgery.extraction import extract
from xir.surgery.merging import merge

__all__ = ["extract", "merge"]
