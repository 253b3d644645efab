"""Sums of products: how equations are read, and what they come apart into."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import decomposed, placeholders
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._equation import Equation, parse
from xir.ops.einsum import einsum


@pytest.mark.parametrize(
    ("text", "ranks", "terms", "result"),
    [
        ("ij,jk->ik", (2, 2), (("i", "j"), ("j", "k")), ("i", "k")),
        (" i j , jk ", (2, 2), (("i", "j"), ("j", "k")), ("i", "k")),
        ("bA", (2,), (("b", "A"),), ("A", "b")),
        ("ii", (2,), (("i", "i"),), ()),
        ("...i", (3,), ((".0", ".1", "i"),), (".0", ".1", "i")),
        ("i...->...", (2,), (("i", ".0"),), (".0",)),
        ("a...,...->a", (2, 1), (("a", ".0"), (".0",)), ("a",)),
        (",->", (0, 0), ((), ()), ()),
    ],
)
def test_equations_are_read(
    text: str, ranks: tuple[int, ...], terms: tuple[tuple[str, ...], ...], result: tuple[str, ...]
) -> None:
    assert parse(text, ranks) == Equation(terms, result)


@pytest.mark.parametrize(
    ("text", "ranks", "reason"),
    [
        ("ij", (2, 2), "1 terms for 2 operands"),
        ("i-j", (2,), "more than letters"),
        ("é", (1,), "more than letters"),
        ("....", (1,), "more than letters"),
        ("...i...", (1,), "more than letters"),
        ("ij", (1,), "2 labels for an operand of 1"),
        ("i", (2,), "1 labels for an operand of 2"),
        ("i->ii", (1,), "twice"),
        ("i->j", (1,), "no operand has"),
        ("...,...", (1, 2), "must be one number"),
    ],
)
def test_what_is_no_equation_is_refused(text: str, ranks: tuple[int, ...], reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        parse(text, ranks)


@pytest.mark.parametrize(
    ("equation", "shapes", "operators"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], {"matmul"}),
        ("ij->ji", [(2, 3)], {"transpose"}),
        ("ij->", [(2, 3)], {"reduce_sum"}),
        ("i,j->ij", [(2,), (3,)], {"mul", "broadcast"}),
        ("ii->i", [(3, 3)], {"gather_nd"}),
    ],
)
def test_equations_come_apart_into_what_they_say(
    equation: str, shapes: list[tuple[int, ...]], operators: set[str]
) -> None:
    operands = placeholders(*(np.zeros(shape, np.float32) for shape in shapes))
    made = decomposed(einsum)(*operands, equation=equation)
    assert isinstance(made, Value)
    inputs = tuple(value for value in operands if value is not None)
    graph = Graph("sums", inputs, (made,), ("y",), names={value: f"x{index}" for index, value in enumerate(inputs)})
    plumbing = {"reshape", "transpose", "iota", "concat"} - operators
    assert {node.op.name for node in graph.nodes} - plumbing == operators


def test_sizes_that_nobody_knows_stay_symbols() -> None:
    n = Symbol("n")
    x, y = Value(TensorType(DType.FLOAT32, (n, 3))), Value(TensorType(DType.FLOAT32, (3, 4)))
    assert einsum(x, y, equation="ij,jk->ki").shape == (4, n)


def test_operands_go_together() -> None:
    x, y = Value(TensorType(DType.FLOAT32, (2, 3))), Value(TensorType(DType.FLOAT32, (4, 4)))
    with pytest.raises(InvalidModelError, match="the size of label 'j'"):
        einsum(x, y, equation="ij,jk")
    with pytest.raises(InvalidModelError, match="at least one operand"):
        einsum(equation="->")
