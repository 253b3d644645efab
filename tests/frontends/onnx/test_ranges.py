"""Ranges whose limits are formulas of sizes: they are as long as these say, and machine code makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import xir.onnx_backend
from tests.frontends.onnx.models import i64, model, saved
from xir.backends.codegen.compile import compile_graph
from xir.errors import UsageError
from xir.frontends.onnx.importer import import_onnx
from xir.ir.constant import Array
from xir.reference import run

DTYPES = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}
SIZES = ("n", "m", "n+m", "-n")
EXACT = 1 << 24


def ranged(limits: tuple[float | str, ...], dtype: str) -> onnx.ModelProto:
    """A range; limits are numbers, or sizes of an operand `x` [n, m], cast to the type."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[dtype]))
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "zero"], ["n"]),
        helper.make_node("Gather", ["sizes", "one"], ["m"]),
        helper.make_node("Add", ["n", "m"], ["n+m"]),
        helper.make_node("Neg", ["n"], ["-n"]),
        *(helper.make_node("Cast", [size], [f"{size} cast"], to=kind) for size in SIZES),
    ]
    constants: dict[str, Array] = {"zero": i64(0)[0], "one": i64(1)[0]}
    names: list[str] = []
    for limit in limits:
        names.append(f"{limit} cast" if isinstance(limit, str) else f"number {limit!r}")
        if not isinstance(limit, str):
            constants[names[-1]] = np.asarray(limit, DTYPES[dtype])
    nodes.append(helper.make_node("Range", names, ["y"]))
    return model(nodes, {"x": np.zeros((2, 3), np.int8)}, constants, ["y"], shapes={"x": ["n", "m"]})


@pytest.mark.parametrize(
    ("limits", "dtypes"),
    [
        ((0, "n", 1), ("f32", "f64", "i32", "i64")),
        ((1, "n+m", 2), ("f32", "f64", "i32", "i64")),
        (("n", "n+m", 1), ("f32", "f64", "i32", "i64")),
        (("n", 0, -1), ("f32", "i64")),
        ((-3, "n", 4), ("f32", "i64")),
    ],
)
def test_limits_that_sizes_tell(limits: tuple[float | str, ...], dtypes: tuple[str, ...], tmp_path: Path) -> None:
    for dtype in dtypes:
        graph = import_onnx(saved(ranged(limits, dtype), tmp_path))
        compiled = compile_graph(graph, threads=1)
        assert not compiled.hosted, dtype
        for shape in ((0, 3), (1, 1), (7, 4), (40, 0)):
            sizes = {"n": shape[0], "m": shape[1], "n+m": sum(shape), "-n": -shape[0]}
            want = np.arange(*(sizes[each] if isinstance(each, str) else each for each in limits)).astype(DTYPES[dtype])
            x = np.zeros(shape, np.int8)
            for got in (run(graph, {"x": x})["y"], compiled(x)[0]):
                assert (got.dtype, got.tobytes()) == (want.dtype, want.tobytes()), (dtype, shape)


@pytest.mark.parametrize(
    ("limits", "dtype"), [((0.5, "n", 1), "f32"), ((0, "n", 0.1), "f32"), ((0, "n", 1), "f16"), ((0, "-n", -1), "f32")]
)
def test_limits_that_sizes_do_not_tell(limits: tuple[float | str, ...], dtype: str, tmp_path: Path) -> None:
    graph = import_onnx(saved(ranged(limits, dtype), tmp_path))
    assert compile_graph(graph, threads=1).hosted == ("range",)


def test_sizes_that_f32_does_not_hold(tmp_path: Path) -> None:
    made = ranged((0, "n", 1), "f32")
    graph = import_onnx(saved(made, tmp_path))
    x = np.zeros((EXACT + 1, 1), np.int8)
    for execute in (lambda: run(graph, {"x": x}), lambda: compile_graph(graph, threads=1)(x)):
        with pytest.raises(UsageError, match=r"at most 2\^24"):
            execute()
    (line,) = xir.onnx_backend.prepare(made).run([x])
    assert line.shape == (EXACT,)
    assert line[-1] == EXACT - 1


def test_limits_that_are_fed(tmp_path: Path) -> None:
    nodes = [helper.make_node("Range", ["a", "b", "c"], ["y"])]
    fed = {"b": np.asarray(5, np.float32)}
    constants = {"a": np.asarray(0, np.float32), "c": np.asarray(1, np.float32)}
    graph = import_onnx(saved(model(nodes, fed, constants, ["y"]), tmp_path))
    compiled = compile_graph(graph, threads=1)
    assert compiled.hosted == ("range",)
    assert compiled(fed["b"])[0].tolist() == [0, 1, 2, 3, 4]
