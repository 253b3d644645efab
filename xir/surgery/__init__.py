"""Graphs compared, cut and joined."""

from xir.surgery.difference import Change, Difference, NodeChange, diff
from xir.surgery.extraction import extract
from xir.surgery.merging import merge
from xir.surgery.weights import WeightChange

__all__ = ["Change", "Difference", "NodeChange", "WeightChange", "diff", "extract", "merge"]
