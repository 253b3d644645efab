"""Ragged tensors that are handed on whole, beside what `programs.py` maps them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar, write
from xir.errors import XirError

F, L = "DT_FLOAT", "DT_INT64"
RANKS = {"Tvalues": F, "Tsplits": L}
VARIANT = {"element_dtype": "DT_VARIANT"}


def graph(folder: Path, *nodes: str) -> str:
    return write(
        folder,
        placeholder("x", 4),
        literal("ends", [0, 1, 4], (3,), L),
        literal("outer", [0, 2], (2,), L),
        literal("any", [-1], (), "DT_INT32"),
        scalar("one", 1),
        node("RaggedTensorToVariant", "vector", "ends", "x", RAGGED_RANK=1, batched_input=True, **RANKS),
        node("RaggedTensorToVariant", "whole", "ends", "x", RAGGED_RANK=1, batched_input=False, **RANKS),
        node("RaggedTensorToVariant", "row", "x", RAGGED_RANK=0, batched_input=False, **RANKS),
        node("TensorListFromTensor", "list", "vector", "any", shape_type="DT_INT32", **VARIANT),
        node("TensorListReserve", "none", "any", "one", shape_type="DT_INT32", **VARIANT),
        *nodes,
    )


def taken(handle: str, inner: int, ranks: int) -> str:
    return node(
        "RaggedTensorFromVariant", "y", handle, input_ragged_rank=inner, output_ragged_rank=ranks, Tvalues=F,
        Tsplits="DT_INT32",
    )  # fmt: skip


@pytest.mark.parametrize(("handle", "inner"), [("vector", 0), ("vector", -1), ("whole", 1), ("whole", -1)])
def test_what_is_handed_on_comes_out_as_it_was(tmp_path: Path, handle: str, inner: int) -> None:
    path = graph(tmp_path, taken(handle, inner, 1))
    made = xir.run(xir.load(path, outputs=["y", "y:1"]), {"x": np.arange(4, dtype=np.float32)})
    assert np.asarray(made["y"]).dtype == np.int32
    assert [each.tolist() for each in made.values()] == [[0, 1, 4], [0, 1, 2, 3]]


SET = {"resize_if_index_out_of_bounds": False, **VARIANT}


@pytest.mark.parametrize(
    ("told", "nodes"),
    [
        ("1 ragged axes are held, -1 in 2", [taken("vector", -1, 2)]),
        ("1 ragged axes are held, 1 in 1", [taken("vector", 1, 1)]),
        ("from outside of the graph", [taken("x", 0, 1)]),
        ("out of a list without elements", [taken("none", 0, 1)]),
        ("the rows of f32[4] have no axes",
         [node("RaggedTensorToVariant", "y", "x", RAGGED_RANK=0, batched_input=True, **RANKS)]),
        ("before anything is written", [node("TensorListGetItem", "y", "none", "one", "any", **VARIANT)]),
        ("what are no ragged tensors", [node("TensorListSetItem", "y", "list", "one", "x", **SET)]),
        ("an element with 1 ragged axes", [node("TensorListSetItem", "y", "list", "one", "whole", **SET)]),
        ("other than one by one", [node("TensorListGather", "y", "list", "one", "any", **VARIANT)]),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, told: str, nodes: list[str]) -> None:
    with pytest.raises(XirError) as error:
        xir.load(graph(tmp_path, *nodes), outputs=["y"])
    reasons = [problem.reason for problem in getattr(error.value, "problems", ())]
    assert told in "\n".join([error.value.message, *reasons])
