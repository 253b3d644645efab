"""The textual form of graphs: printed, parsed back to the same graph, stored as `.xir` files."""

from xir.text.compare import first_difference, same_graph
from xir.text.files import load_xir, save_xir
from xir.text.parser import WeightSource, parse_graph, parse_graphs
from xir.text.printer import print_graph, print_graphs
from xir.text.weights import StoredWeights, held_weights, plan_weights

__all__ = [
    "StoredWeights",
    "WeightSource",
    "first_difference",
    "held_weights",
    "load_xir",
    "parse_graph",
    "parse_graphs",
    "plan_weights",
    "print_graph",
    "print_graphs",
    "same_graph",
    "save_xir",
]
