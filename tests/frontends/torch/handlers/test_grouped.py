"""Products of groups of rows, as experts make them; convolutions whose padding is a word."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import UnsupportedError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType


def place(*shape: Dim, dtype: DType = DType.FLOAT32) -> Tensor:
    return Tensor(Value(TensorType(dtype, shape)))


@pytest.mark.parametrize("name", ["aten._grouped_mm.default", "transformers.grouped_mm_fallback.default"])
def test_each_row_meets_the_matrix_of_its_group(name: str):
    x, w, ends = place(Symbol("rows", minimum=1), 3), place(4, 3, 2), place(4, dtype=DType.INT32)
    made = Caller(OPERATORS, Scope()).call(name, [x, w, ends], {})
    r = np.random.default_rng(0).standard_normal
    rows, matrices = r((6, 3), np.float32), r((4, 3, 2), np.float32)
    rows[0, 0] = np.inf  # no group but its own sees it
    graph = Graph("grouped", (x.value, w.value, ends.value), (made.value,))
    result = xir.run(graph, dict(zip(graph.input_names, (rows, matrices, np.int32([2, 2, 5, 5])), strict=True)))
    wanted = np.concatenate([rows[:2] @ matrices[0], rows[2:5] @ matrices[2], np.zeros((1, 2), np.float32)])
    np.testing.assert_allclose(next(iter(result.values())), wanted, rtol=1e-6)


def test_groups_of_columns_are_refused():
    with pytest.raises(UnsupportedError, match="groups of other than the rows"):
        Caller(OPERATORS, Scope()).call("aten._grouped_mm.default", [place(6, 3), place(3, 2), place(4)], {})


@pytest.mark.parametrize(("padding", "sizes"), [("valid", (2, 4)), ("same", (4, 5))])
def test_a_convolution_whose_padding_is_a_word(padding: str, sizes: tuple[int, int]):
    x, w = place(1, 2, 4, 5), place(3, 2, 3, 2)
    settings = [[1, 1], padding, [1, 1], 1]
    made = [
        Caller(OPERATORS, Scope()).call(name, [x, w, None, *settings], {})
        for name in ("aten._convolution_mode.default", "aten.conv2d.padding")
    ]
    graph = Graph("mode", (x.value, w.value), tuple(each.value for each in made))
    r = np.random.default_rng(0).standard_normal
    fed = dict(zip(graph.input_names, (r(x.value.shape, np.float32), r(w.value.shape, np.float32)), strict=True))
    first, second = xir.run(graph, fed).values()
    assert first.shape == (1, 3, *sizes)
    np.testing.assert_array_equal(first, second)
