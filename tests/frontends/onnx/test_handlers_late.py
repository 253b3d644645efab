"""Operands that come at run time: axes, bounds, amounts, counts; and what looks for elements or diagonals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.onnx.models import One, i64, model, normal, saved
from xir.errors import InvalidModelError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.types import DType, UnrankedType
from xir.reference import run

X = {"x": normal(2, 3, 5, 6)}
LINE = {"x": normal(4, seed=1)}
F32 = np.float32
MAYBE = {"shapes": {"a": ["k"]}}


def scalar(value: float, dtype: type = np.int64) -> Array:
    return np.asarray(value, dtype)


def reductions() -> Iterator[One]:
    for kind in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp", "LogSum"):
        x = {"x": np.abs(X["x"])}
        for keep in (0, 1):
            yield One(f"Reduce{kind}", 18, {**x, "a": i64(-1, 0)}, attributes={"keepdims": keep}, note=f"keep {keep}")
        yield One(f"Reduce{kind}", 18, {**x, "a": i64(1)}, shapes={"a": ["k"]}, note="any number of axes, kept")
        words = {"keepdims": 0}
        yield One(f"Reduce{kind}", 18, {**x, "a": i64(1)}, attributes=words, shapes={"a": ["k"]}, note="any number")
    yield One("ReduceSum", 13, {**X, "a": i64()}, attributes={"noop_with_empty_axes": 1}, note="of no axes")
    yield One("ReduceSum", 13, {**X, "a": i64()}, attributes={"keepdims": 0}, note="of no axes, all")
    yield One("ReduceMax", 20, {"x": np.array([[True, False]]), "a": i64(1)}, note="bools")
    yield One("ReduceMin", 20, {"x": np.array([[True, False]])}, {"a": i64(1)}, note="bools")
    yield One("ReduceMax", 20, X, {"a": i64(1)}, note="numbers")
    yield One("ReduceMin", 20, {**X, "a": i64(1)}, note="numbers")
    yield One("CumSum", 14, {**X, "a": scalar(-2, np.int32)}, attributes={"exclusive": 1})
    yield One("CumSum", 11, {**X, "a": scalar(0)}, attributes={"reverse": 1})


def cuts() -> Iterator[One]:
    places = {"s": i64(1, -3), "e": i64(9, -1), "a": i64(-1, 1)}
    yield One("Slice", 13, {**X, **places}, note="all but the steps")
    yield One("Slice", 13, {**X, **places, "t": i64(2, 1)}, note="everything")
    yield One("Slice", 10, {**X, "s": i64(4, -1), "e": i64(-99, 0), "a": i64(3, 2), "t": i64(-2, -1)}, note="backward")
    yield One("Slice", 13, {**X, "s": i64(4)}, {"e": i64(0), "a": i64(3), "t": i64(-1)}, note="backward from there")
    yield One("Slice", 13, {**X, "s": i64(1), "e": i64(2)}, note="first axis")
    yield One("Slice", 13, {**X, "e": i64(4)}, {"s": i64(1), "a": i64(2)}, ["x", "s", "e", "a"], note="the end")
    yield One("Slice", 13, {**X, "s": i64(-4)}, {"e": i64(4), "a": i64(2), "t": i64(2)}, note="the start")
    any_number = {"s": ["k"], "e": ["k"]}
    yield One("Slice", 13, {**X, "s": i64(0, 1), "e": i64(1, 9)}, shapes=any_number, note="any number of first axes")
    yield One("Split", 13, {**X, "s": i64(2, 0, 4)}, attributes={"axis": -1}, outputs=3)
    yield One("Split", 18, {**X, "s": i64(1, 1)}, outputs=2, shapes={"s": ["k"]}, note="any number")
    pads = {"p": i64(1, 0, 2, 1)}
    yield One("Pad", 18, {**X, **pads, "v": scalar(3, F32), "a": i64(-1, 1)}, note="everything")
    yield One("Pad", 18, {**X, **pads}, {"a": i64(-1, 1)}, ["x", "p", "", "a"], {"mode": "edge"}, note="amounts")
    yield One("Pad", 18, {**X, "a": i64(2, 3)}, pads, ["x", "p", "", "a"], {"mode": "reflect"}, note="axes")
    yield One("Pad", 13, {**X, "v": scalar(3, F32)}, {"p": i64(*[1] * 8)}, ["x", "p", "v"], note="the value")
    large = np.array([(1 << 60) + 1, 2], np.int64)
    yield One("Pad", 13, {"x": large}, {"p": i64(1, 0), "v": scalar((1 << 60) + 3)}, note="a value that no float holds")
    yield One("Tile", 13, {"x": normal(2, 3), "r": i64(1, 2)})


def shapes() -> Iterator[One]:
    yield One("Squeeze", 13, {"x": normal(1, 3, 1), "a": i64(-1)})
    yield One("Squeeze", 13, {"x": normal(1, 3, 1), "a": i64(0, 2)}, shapes={"a": ["k"]}, note="any number")
    yield One("Squeeze", 13, {"x": normal(4, 3, 1)}, shapes={"x": ["n", 3, 1]}, note="all of size 1")
    yield One("Unsqueeze", 13, {**LINE, "a": i64(-1, 0)})
    yield One("Unsqueeze", 21, {**LINE, "a": i64(1)}, shapes={"a": ["k"]}, note="any number")
    yield One("Reshape", 14, {**X, "a": i64(0, -1)}, **MAYBE, note="any number of sizes")
    yield One("Expand", 13, {"x": normal(3, 1), "a": i64(2, 1, 4)}, **MAYBE, note="any number of sizes")
    yield One("Expand", 13, {"x": normal(2, 3, 1), "a": i64(4)}, note="fewer sizes than axes")
    yield One("ConstantOfShape", 9, {"a": i64(2, 3)}, **MAYBE, note="any number of sizes")
    for limits in ((1, 9, 3), (9, 1, -2), (3, 1, 1)):
        for dtype in (np.int64, np.int32, F32, np.float64):
            yield One(
                "Range", 11, {name: scalar(v, dtype) for name, v in zip("abc", limits, strict=True)}, note=str(limits)
            )
    yield One("Range", 11, {"b": scalar(7)}, {"a": scalar(0), "c": scalar(2)}, ["a", "b", "c"], note="the limit")
    hot = {"i": np.array([[0, -1], [2, 7]], np.int64), "d": scalar(3)}
    yield One("OneHot", 11, {**hot, "v": np.array([2, 5], F32)}, note="everything")
    yield One("OneHot", 11, hot, {"v": np.array([0, 1], F32)}, attributes={"axis": 0}, note="the depth")


def finds() -> Iterator[One]:
    yield One("NonZero", 13, {"x": np.array([[1, 0], [0, 3]], np.int64)})
    yield One("NonZero", 9, {"x": np.array([True, False, True])})
    numbers = np.array([[2, 1, 1], [3, 4, 3], [2, 1, 1]], np.int64)
    for axis in (None, 0, 1, -1):
        for ordered in (0, 1):
            words = {"sorted": ordered} if axis is None else {"sorted": ordered, "axis": axis}
            yield One("Unique", 11, {"x": numbers}, attributes=words, outputs=4, note=str(axis))
    yield One("Trilu", 14, X)
    yield One("Trilu", 14, X, {"k": scalar(-1)}, attributes={"upper": 0})
    yield One("Trilu", 14, {**X, "k": scalar(2)}, note="at run time")
    yield One("EyeLike", 9, {"x": normal(3, 4)}, attributes={"k": 1})
    yield One("EyeLike", 9, {"x": np.zeros((3, 2), np.int64)}, attributes={"dtype": 1})
    lengths = {"n": i64(2, 3, 0)}
    yield One("ReverseSequence", 10, {"x": normal(4, 3, 2)}, lengths, note="time first")
    words = {"batch_axis": 0, "time_axis": 1}
    yield One("ReverseSequence", 10, {"x": normal(3, 4)}, lengths, attributes=words, note="batch first")
    rows, updates = np.array([[1], [3]], np.int64), normal(2, 3, seed=7)
    for opset, reduction in ((11, ""), (13, ""), (16, "add"), (16, "mul"), (18, "max"), (18, "min")):
        words = {"reduction": reduction} if reduction else {}
        yield One("ScatterND", opset, {"x": normal(4, 3), "u": updates}, {"i": rows}, ["x", "i", "u"], words)
    places = np.array([[1, 0, 2]], np.int64)
    yield One("Scatter", 9, {"x": normal(3, 3)}, {"i": places, "u": normal(1, 3, seed=7)})


CASES = [*reductions(), *cuts(), *shapes(), *finds()]


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_onnxruntime_does(case: One, tmp_path: Path) -> None:
    import onnxruntime

    path = saved(case.model(), tmp_path)
    got = run(import_onnx(path), case.feeds)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for have, raw in zip(got.values(), session.run(None, dict(case.feeds)), strict=True):
        want = np.asarray(raw)
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=1e-5)


EXACT: list[tuple[One, Array]] = [
    (One("CumProd", 26, {"x": np.array([1, 2, 3], np.int32), "a": scalar(0)}), np.array([1, 2, 6])),
    (
        One(
            "CumProd", 26, {"x": np.array([1, 2, 3], F32)}, {"a": scalar(-1)}, attributes={"exclusive": 1, "reverse": 1}
        ),
        np.array([6, 3, 1]),
    ),
    (One("Range", 27, {n: np.asarray(v, np.float16) for n, v in (("a", 1), ("b", 3), ("c", 1))}), np.array([1, 2])),
    (One("Range", 27, {}, {n: np.asarray(v, np.float16) for n, v in (("a", 1), ("b", 3), ("c", 1))}), np.array([1, 2])),
    (
        One(
            "Range",
            27,
            {},
            {n: scalar(v, F32) for n, v in (("a", 1), ("b", 2), ("c", 0.5))},
            attributes={"stash_type": 11},
        ),
        np.array([1, 1.5]),
    ),
    (One("NonZero", 13, {"x": np.asarray(5.0, F32)}), np.zeros((0, 1))),
    (One("Concat", 1, {"x": normal(1, 1), "y": normal(1, 1)}), np.tile(normal(1, 1), (1, 2))),
    (One("Reshape", 1, LINE, attributes={"shape": [2, -1], "consumed_inputs": [0]}), LINE["x"].reshape(2, 2)),
    (
        One("Tile", 1, {"x": np.eye(2, dtype=F32)}, {"n": scalar(2, F32), "a": scalar(1, F32)}),
        np.tile(np.eye(2), (1, 2)),
    ),
    (One("Tile", 1, {"x": np.eye(2, dtype=F32), "n": scalar(2, F32), "a": scalar(0, F32)}), np.tile(np.eye(2), (2, 1))),
    (One("Pad", 1, {"x": np.ones(2, F32)}, attributes={"paddings": [1, 0], "value": 2.0}), np.array([2, 1, 1])),
    (One("TopK", 1, {"x": np.array([3, 1, 2], F32)}, attributes={"k": 2}, outputs=2), np.array([3, 2])),
    (One("Split", 1, {"x": np.arange(4, dtype=F32)}, attributes={"split": [1, 3]}, outputs=2), np.array([0])),
    (One("Split", 1, {"x": np.arange(4, dtype=F32)}, outputs=2), np.array([0, 1])),
    (One("Split", 1, {"x": np.arange(4, dtype=F32)}, {"s": np.array([3, 1], F32)}, outputs=2), np.array([0, 1, 2])),
    (One("Split", 1, {"x": np.arange(4, dtype=F32), "s": np.array([3, 1], F32)}, outputs=2), np.array([0, 1, 2])),
    (One("OneHot", 11, {"i": i64(1)}, {"d": scalar(2.0, F32), "v": np.array([0, 1], F32)}), np.array([[0, 1]])),
    (One("Slice", 13, {**LINE, "s": i64(0), "e": i64(2)}, {"a": i64(0)}, shapes={"s": ["k"]}), LINE["x"][:2]),
    (One("Compress", 28, {**LINE, "c": np.array([True, False, True])}), LINE["x"][[0, 2]]),
    (One("ReduceLogSum", 28, {"x": np.array([1, 3], F32), "a": i64(0)}, attributes={"keepdims": 0}), np.log(F32(4))),
]


@pytest.mark.parametrize(("case", "want"), EXACT, ids=[f"{index}-{case}" for index, (case, _) in enumerate(EXACT)])
def test_what_no_runtime_has_is_what_the_text_says(case: One, want: Array, tmp_path: Path) -> None:
    first, *_ = run(import_onnx(saved(case.model(), tmp_path)), case.feeds).values()
    np.testing.assert_allclose(first.astype(np.float64), want, rtol=1e-6)


def test_literals_may_be_text_and_sparse(tmp_path: Path) -> None:
    from onnx import helper, numpy_helper

    values = numpy_helper.from_array(np.array([5.0], F32), "values")
    places = numpy_helper.from_array(np.array([2], np.int64), "places")
    nodes = [
        helper.make_node("Constant", [], ["y0"], value_string="a"),
        helper.make_node("Constant", [], ["y1"], value_strings=["b", "c"]),
        helper.make_node("Constant", [], ["y2"], sparse_value=helper.make_sparse_tensor(values, places, [4])),
    ]
    got = run(import_onnx(saved(model(nodes, {}, {}, ["y0", "y1", "y2"], 13), tmp_path)), {})
    assert [array.tolist() for array in got.values()] == ["a", ["b", "c"], [0, 0, 5, 0]]


def test_what_has_no_known_rank_is_said_so(tmp_path: Path) -> None:
    case = One("Reshape", 14, {**X, "a": i64(6, -1)}, shapes={"a": ["k"]})
    (value,) = import_onnx(saved(case.model(), tmp_path)).outputs
    assert value.type == UnrankedType(DType.FLOAT32)


REFUSED: list[tuple[One, type[XirError], str]] = [
    (One("Constant", 13, {}, attributes={"value_int": 1, "value_float": 1.0}), InvalidModelError, "exactly one value"),
    (One("Constant", 13, {}, attributes={"value_words": "a"}), InvalidModelError, "a literal of"),
    (One("Range", 27, {"a": i64(1)[0], "b": i64(2)[0], "c": i64(1)[0]}, attributes={"stash_type": 7}),
     InvalidModelError, "7"),
    (One("EyeLike", 9, {"x": normal(2, 2)}, attributes={"dtype": 99}), InvalidModelError, "no element type 99"),
    (One("Split", 1, {**LINE, "s": LINE["x"]}, attributes={"split": [4]}), InvalidModelError, "and as an operand"),
    (One("Split", 18, {**LINE, "s": i64(4)}, attributes={"num_outputs": 1}), InvalidModelError, "and their sizes"),
    (One("ReduceSum", 13, {**LINE, "a": i64(0, 0)}), InvalidModelError, "2 axes are more"),
    (One("ReverseSequence", 10, {"x": normal(3, 3)}, {"n": i64(1, 1, 1)}, attributes={"time_axis": 1}),
     InvalidModelError, "0 and 1"),
    (One("ScatterND", 16, {"x": LINE["x"]}, {"i": i64(1), "u": LINE["x"][0]}, attributes={"reduction": "max"}),
     InvalidModelError, "one of"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "kind", "text"), REFUSED, ids=[f"{i}-{case}" for i, (case, *_) in enumerate(REFUSED)])
def test_refusals_name_the_cause(case: One, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        import_onnx(saved(case.model(), tmp_path))
    assert (
        text in f"{caught.value.message} {caught.value.hint} {[p.hint for p in getattr(caught.value, 'problems', ())]}"
    )


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (One("ReduceSum", 13, {**X, "a": i64(0, 0)}), "name one axis twice"),
        (One("ReduceSum", 13, {**X, "a": i64(4)}), "axis 4 does not exist"),
        (One("Slice", 13, {**X, "s": i64(0), "e": i64(1), "a": i64(0), "t": i64(0)}), "a step of 0"),
        (One("Split", 13, {**LINE, "s": i64(3, 3)}, outputs=2), "do not make up"),
        (One("Pad", 18, {**X, "p": i64(1, 1), "a": i64(9)}, inputs=["x", "p", "", "a"]), "are to be padded"),
        (One("CumSum", 14, {**X, "a": scalar(4)}), "axis 4 does not exist"),
        (One("Range", 11, {n: scalar(v, F32) for n, v in (("a", 1), ("b", 2), ("c", 0))}), "in steps of 0"),
        (One("Squeeze", 13, {"x": normal(1, 3, 1)}, shapes={"x": ["n", 3, 1]}), "1 axes"),
        (One("ReverseSequence", 10, {"x": normal(2, 1), "n": i64(3)}), "a sequence of 3"),
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_refused_at_run_time(case: One, text: str, tmp_path: Path) -> None:
    graph = import_onnx(saved(case.model(), tmp_path))
    with pytest.raises(InvalidModelError, match=text):
        run(graph, case.feeds)
