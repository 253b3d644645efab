"""Weights that are made when they are written: in pieces, the same as at once."""

from __future__ import annotations

import numpy as np
import pytest

from xir.backends.codegen.lowering.made import Made, ready
from xir.backends.codegen.lowering.products import pack
from xir.backends.codegen.lowering.products.pack import Packing
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Buffer

LAYOUTS = {
    # name: (outer, along, reduced, width, offset)
    "rows": ((), (37, 20), ((20, 1),), 8, 0),
    "columns": ((), (20, 1), ((37, 20),), 8, 0),
    "windows": ((), (10, 18), ((2, 9), (3, 3), (3, 1)), 4, 2),
    "groups": (((3, 200), (2, 100)), (10, 10), ((9, 1),), 8, 5),
}


@pytest.mark.parametrize("piece", [1, 300, 4000])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_pieces_are_the_whole(layout, piece, monkeypatch):
    outer, along, reduced, width, offset = layout
    size = np.prod([extent for extent, _ in (*outer, *reduced)]) * -(-along[0] // width) * width
    source, target = Buffer("w", DType.FLOAT32, (800,)), Buffer("wp", DType.FLOAT32, (int(size),))
    names = tuple(f"a{number}" for number in range(len(outer) + len(reduced)))
    packing = Packing(source, target, outer, along, reduced, width, offset, names)
    array = np.arange(800, dtype=np.float32)
    expected = packing.packed(array)
    monkeypatch.setattr(pack, "PIECE_BYTES", piece)
    made = Made(TensorType(DType.FLOAT32, target.shape), constant_of(array), packing.pieces)
    assert len(list(made.pieces())) > 1 or piece == 4000
    np.testing.assert_array_equal(made.array(), expected)
    assert made.nbytes == expected.nbytes


def test_made_from_what_is_made():
    type = TensorType(DType.FLOAT32, (4,))
    once = Made(type, constant_of(np.arange(4, dtype=np.float32)), lambda array: [array + 1])
    twice = Made(type, once, lambda array: [array[:2] * 10, array[2:] * 10])
    np.testing.assert_array_equal(ready(twice).array(), [10, 20, 30, 40])


def test_what_is_there_is_ready():
    held = constant_of(np.arange(4, dtype=np.float32))
    assert ready(held) is held
    assert isinstance(ready(Made(held.type, held, lambda array: [array])), Constant)
