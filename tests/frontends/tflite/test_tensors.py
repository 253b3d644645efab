"""The elements of tensors: empty ones need no buffer; sparse and packed ones: `test_cases.py`, `test_refused.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tflite.models import Model, Out
from xir.errors import UnsafeError


def with_empty(folder: Path, shape: tuple[int, ...], *buffers: bytes) -> Path:
    """A file whose second result is minus a tensor that has no buffer, where `buffers` are all that there are."""
    model = Model()
    for data in buffers:
        model.buffer(data)
    graph = model.subgraph()
    for operand in (graph.input("float32", (3,)), graph.tensor("float32", shape)):
        graph.outputs += graph.op("NEG", [operand], [Out()])
    path = folder / "m.tflite"
    path.write_bytes(model.data())
    return path


@pytest.mark.parametrize("buffers", [(), (b"1234",)], ids=["no buffers", "buffers of others"])
def test_an_empty_tensor_needs_no_buffer(buffers: tuple[bytes, ...], tmp_path: Path) -> None:
    graph = xir.load(with_empty(tmp_path, (2, 0), *buffers))
    minus, empty = xir.run(graph, {graph.input_names[0]: np.ones(3, np.float32)}).values()
    assert (minus.tolist(), empty.shape, empty.dtype) == ([-1, -1, -1], (2, 0), np.float32)


@pytest.mark.parametrize("buffers", [(), (b"1234",)], ids=["no buffers", "buffers of others"])
def test_an_empty_tensor_of_endless_sizes_is_refused(buffers: tuple[bytes, ...], tmp_path: Path) -> None:
    with pytest.raises(UnsafeError, match="past 2\\^63 bytes"):
        xir.load(with_empty(tmp_path, (0, 2**31 - 1, 2**31 - 1), *buffers))
