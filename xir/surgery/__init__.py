"""Graphs compared, cut, joined and shrunk."""

from xir.surgery.difference import Change, Difference, NodeChange, diff
from xir.surgery.divergence import Divergence, reduce_against
from xir.surgery.extraction import extract
from xir.surgery.fitting import with_weights
from xir.surgery.judging import Verdict
from xir.surgery.merging import merge
from xir.surgery.predicates import Disagreement
from xir.surgery.reduction import Reduction, Step, reduce
from xir.surgery.weights import WeightChange

__all__ = [
    "Change",
    "Difference",
    "Disagreement",
    "Divergence",
    "NodeChange",
    "Reduction",
    "Step",
    "Verdict",
    "WeightChange",
    "diff",
    "extract",
    "merge",
    "reduce",
    "reduce_against",
    "with_weights",
]
