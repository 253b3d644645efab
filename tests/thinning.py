"""Which rows of large tables the tests of the day take; those of the night take all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import pytest


def pairwise(*lists: Sequence[object]) -> Iterator[tuple[object, ...]]:
    """Few rows of an element of each list, so that any two elements of two lists stand together in one of them.

    Row after row that of the product which has the most pairs that no row before it has. Most mistakes need no more
    than two choices to show (Kuhn, Wallace and Gallo, "Software Fault Interactions and Implications for Software
    Testing", 2004).
    """
    rows = {row: frozenset(combinations(enumerate(row), 2)) for row in product(*lists)}
    missing = frozenset[object]().union(*rows.values())
    while missing:
        best = max(rows, key=lambda row: len(rows[row] & missing))
        yield best
        missing -= rows[best]


def at_night(rows: Sequence[object], waits: Sequence[bool]) -> list[object]:
    """The rows of a table as parameters, of which some wait for the night."""
    marks = ([pytest.mark.nightly] if each else [] for each in waits)
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=mark)
        for row, mark in zip(rows, marks, strict=True)
    ]


def pairwise_by_day(*lists: Sequence[object]) -> list[object]:
    """The whole product as parameters: `pairwise` has those of the day."""
    by_day, rows = set(pairwise(*lists)), list(product(*lists))
    return at_night(rows, [row not in by_day for row in rows])
