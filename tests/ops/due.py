"""What operators still lack. These lists may only shrink: a test fails when a name on one is no longer due."""

from __future__ import annotations

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
