"""Files hold no more nodes than their operators need: what operators became in pieces is cleaned up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.passes.helpers import Net
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.ops.attention import attention
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape

PRODUCT = ["Add", "MatMul"]
FLAT = ["Add", "MatMul", "Reshape", "Reshape"]


def linear() -> Graph:
    net = Net()
    product = matmul(reshape(net.input(2, 3, 4), shape=(6, 4)), net.weight(4, 5))
    return net.graph(add(reshape(product, shape=(2, 3, 5)), broadcast(net.weight(5), shape=(2, 3, 5))))


def attended() -> Graph:
    """Two layers under one mask that may hide all of a row."""
    net = Net()
    x, mask = net.input(2, 4, 3, 8), net.input(2, 1, 3, 3, dtype=DType.BOOL)
    for _ in range(2):
        x, *_ = attention(
            x, x, x, mask, None, None, None,
            scale=None, softcap=0.0, causal=False, left=None, right=None, precision=None, shown="products",
        )  # fmt: skip
    return net.graph(x)


@pytest.mark.parametrize(
    ("level", "exact", "wanted"),
    [(2, False, PRODUCT), (1, False, PRODUCT), (2, True, FLAT), (0, False, FLAT)],
    ids=["tidied", "level 1", "exact", "as it is"],
)
def test_a_product_over_a_batch_is_one_node(tmp_path: Path, level: int, exact: bool, wanted: list[str]) -> None:
    path = tmp_path / "net.onnx"
    report = xir.convert(linear(), path, level=level, exact=exact, verify=False).export
    assert sorted(name for name, count in report.operators.items() for _ in range(count)) == wanted
    feeds = {"x0": np.arange(24, dtype=np.float32).reshape(2, 3, 4)}
    (made,) = xir.run(xir.load(path), feeds).values()
    (expected,) = xir.run(linear(), feeds).values()
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_layers_share_what_they_make_of_the_mask(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    report = xir.convert(attended(), path, opset=21, verify=False).export
    kinds = report.operators
    assert (kinds["ReduceMax"], kinds["Equal"], kinds["Softmax"]) == (1, 1, 2)
    assert kinds.get("Expand", 0) == 0
    feeds = xir.random_inputs(attended()) | {"x1": np.array([[[[1, 0, 1], [0, 0, 0], [1, 1, 1]]]] * 2, bool)}
    for made, expected in zip(
        xir.run(xir.load(path), feeds).values(), xir.run(attended(), feeds).values(), strict=True
    ):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)
