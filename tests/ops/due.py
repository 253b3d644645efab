"""What operators still lack. These lists may only shrink: a test fails when a name on one is no longer due."""

from __future__ import annotations

LOWERINGS_DUE = frozenset(
    {
        "abs",
        "acos",
        "acosh",
        "arg_min",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "bit_cast",
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "broadcast",
        "cast",
        "ceil",
        "clip",
        "cos",
        "cosh",
        "cumsum",
        "div",
        "equal",
        "erf",
        "exp",
        "floor",
        "gather",
        "gather_elements",
        "greater",
        "greater_equal",
        "iota",
        "is_inf",
        "is_nan",
        "less",
        "less_equal",
        "log",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "max_pool_with_indices",
        "maximum",
        "minimum",
        "mod",
        "mul",
        "neg",
        "not_equal",
        "pad",
        "pow",
        "reciprocal",
        "reduce_mean",
        "reduce_min",
        "reduce_prod",
        "reverse",
        "round",
        "scatter_elements",
        "select",
        "shape_of",
        "shift_left",
        "shift_right",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "sub",
        "tan",
        "tanh",
        "top_k",
    }
)
"""Core operators whose lowering comes with the compilers."""

GRADIENTS_DUE = frozenset(
    {
        "roi_align",
        "roi_pool",
    }
)
"""Operators whose gradient comes with the training work."""

EXAMPLES_ELSEWHERE = {
    "cast_map": "test_maps.py",
    "dict_vectorizer": "test_maps.py",
    "zip_map": "test_maps.py",
}
"""Operators on values that are no tensors: {operator: the file here that has its examples}."""
