"""Features that are crossed."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError
from xir.frontends._crossing import crossed
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

TEXTS = Value(TensorType(DType.STRING, (3,)))
NUMBERS = Value(TensorType(DType.INT16, (3,)))


def test_without_buckets_they_are_hashes_of_63_bits() -> None:
    """tf.sparse.cross_hashed of the same two columns in TensorFlow 2.21."""
    graph = Graph("g", (TEXTS, NUMBERS), (crossed((TEXTS, NUMBERS), key=0xDECAFCAFFE, buckets=0),), ("y",))
    columns = np.array(["", "é", "a b"], object), np.array([0, -1, 7], np.int16)
    found = xir.run(graph, dict(zip(graph.input_names, columns, strict=True)))
    assert found["y"].tolist() == [342200373683685600, 4343418145049562254, 4406474032419617834]


@pytest.mark.parametrize("buckets", [-1, 1 << 63])
def test_buckets_that_are_none(buckets: int) -> None:
    with pytest.raises(InvalidModelError, match="buckets: expected 0 or more"):
        crossed((NUMBERS, NUMBERS), key=0, buckets=buckets)
