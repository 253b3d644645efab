"""Maps: what goes in and out, in the reference, in the textual form, and in ONNX files that onnxruntime runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.onnx.shared import by_onnxruntime, checked
from tests.ops.cases.labels import words
from xir.errors import InvalidModelError, UsageError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, MapType, SequenceType, TensorType, Type
from xir.ops.maps import cast_map, dict_vectorizer, zip_map
from xir.reference import run
from xir.text import held_weights, parse_graph, print_graph, same_graph


def mapped(key: DType, element: DType) -> MapType:
    return MapType(key, TensorType(element, ()))


def graph_of(x: Value, y: Value) -> Graph:
    return Graph("g", (x,), (y,), ("y",), names={x: "x"})


def computed(x: Value, y: Value, feed: object, folder: Path) -> object:
    """What the reference makes, after the text form and an ONNX file have made the same."""
    graph = graph_of(x, y)
    assert same_graph(parse_graph(print_graph(graph), weights=held_weights(graph)), graph)
    result = run(graph, {"x": feed})["y"]  # type: ignore[dict-item]  # a map is fed
    for opset in (11, 21):
        checked(graph, folder / "m.onnx", opset=opset)
        assert same(run(import_onnx(folder / "m.onnx"), {"x": feed})["y"], result)  # type: ignore[dict-item]
    return result


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(a.dtype == b.dtype and a.tolist() == b.tolist())
    return bool(a == b)


X = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
FLOATS = mapped(DType.INT64, DType.FLOAT32)
TEXTS = mapped(DType.INT64, DType.STRING)


@pytest.mark.parametrize(
    ("x", "keys", "wanted"),
    [
        (X, words("a", "b"), [{"a": 0.25, "b": 0.75}, {"a": 1.0, "b": 0.0}]),
        (X[0], constant_of(np.array([7, 9])), [{7: 0.25, 9: 0.75}]),
        (X[:0], words("a", "b"), []),
    ],
)
def test_rows_become_maps(x: np.ndarray, keys: Constant, wanted: list[object], tmp_path: Path) -> None:
    value = Value(TensorType(DType.FLOAT32, x.shape))
    made = zip_map(value, keys=keys)
    assert made.type == SequenceType(MapType(keys.dtype, TensorType(DType.FLOAT32, ())))
    assert computed(value, made, x, tmp_path) == wanted
    if len(x):
        assert list(by_onnxruntime(tmp_path / "m.onnx", {"x": x})[0]) == wanted


NUMBERS = constant_of(np.array([3, 1, 2]))


@pytest.mark.parametrize(
    ("kind", "vocabulary", "feed", "wanted"),
    [
        (mapped(DType.STRING, DType.FLOAT32), words("a", "c", "b"), {"a": 4.0, "c": 8.0}, [[4.0, 8.0, 0.0]]),
        (mapped(DType.STRING, DType.INT64), words("a", "b"), {}, [[0, 0]]),
        (mapped(DType.STRING, DType.FLOAT64), words("a", "b"), {"b": 0.1}, [[0.0, 0.1]]),
        (mapped(DType.INT64, DType.FLOAT32), NUMBERS, {2: 0.5, 3: 1.5}, [[1.5, 0.0, 0.5]]),
        (TEXTS, NUMBERS, {1: "one"}, [["", "one", ""]]),
    ],
)
def test_maps_become_rows_of_a_vocabulary(
    kind: MapType, vocabulary: Constant, feed: Mapping[object, object], wanted: list[object], tmp_path: Path
) -> None:
    assert isinstance(kind.element, TensorType)
    x = Value(kind)
    made = dict_vectorizer(x, vocabulary=vocabulary, dtype=kind.element.dtype)
    result = computed(x, made, feed, tmp_path)
    assert isinstance(result, np.ndarray)
    assert result.tolist() == wanted
    assert result.dtype == kind.element.dtype.dtype


@pytest.mark.parametrize(
    ("kind", "dtype", "size", "feed", "wanted"),
    [
        (FLOATS, DType.FLOAT32, None, {5: 0.5, -1: 2.0}, [[2.0, 0.5]]),
        (FLOATS, DType.INT64, None, {0: -1.75, 1: 1.75}, [[-1, 1]]),
        (FLOATS, DType.STRING, None, {0: 0.5}, [["0.5"]]),
        (TEXTS, DType.FLOAT32, None, {0: "0.5", 1: "-2"}, [[0.5, -2.0]]),
        (TEXTS, DType.INT64, 3, {2: "7"}, [[0, 0, 7]]),
        (TEXTS, DType.STRING, 2, {0: "x"}, [["x", "0.f"]]),
        (FLOATS, DType.FLOAT32, 4, {1: 0.5, 3: 1.5}, [[0.0, 0.5, 0.0, 1.5]]),
        (FLOATS, DType.FLOAT32, None, {}, [[]]),
    ],
)
def test_maps_become_rows_by_their_keys(
    kind: MapType, dtype: DType, size: int | None, feed: Mapping[object, object], wanted: list[object], tmp_path: Path
) -> None:
    x = Value(kind)
    result = computed(x, cast_map(x, dtype=dtype, size=size), feed, tmp_path)
    assert isinstance(result, np.ndarray)
    assert (result.tolist(), result.dtype) == (wanted, dtype.dtype)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: zip_map(Value(TensorType(DType.FLOAT32, (2, 3))), keys=words("a")), "number of columns"),
        (lambda: zip_map(Value(TensorType(DType.FLOAT64, (2, 1))), keys=words("a")), "a tensor of f32"),
        (lambda: zip_map(Value(TensorType(DType.FLOAT32, (2, 1))), keys=constant_of(np.zeros(1))), "str or i64"),
        (lambda: dict_vectorizer(Value(FLOATS), vocabulary=words("a"), dtype=DType.FLOAT32), "do not fit"),
        (lambda: dict_vectorizer(Value(FLOATS), vocabulary=NUMBERS, dtype=DType.INT64), "do not fit"),
        (lambda: cast_map(Value(TensorType(DType.FLOAT32, ())), dtype=DType.INT64, size=None), "a map to single"),
        (lambda: cast_map(Value(mapped(DType.STRING, DType.FLOAT32)), dtype=DType.INT64, size=None), "from i64"),
        (lambda: cast_map(Value(FLOATS), dtype=DType.INT64, size=0), "cannot become"),
        (lambda: cast_map(Value(FLOATS), dtype=DType.BOOL, size=None), "cannot become"),
        (lambda: cast_map(Value(MapType(DType.INT64, FLOATS)), dtype=DType.INT64, size=None), "a map to single"),
    ],
)
def test_operands_that_do_not_fit_are_refused(made: object, message: str) -> None:
    assert callable(made)
    with pytest.raises(InvalidModelError, match=message):
        made()


@pytest.mark.parametrize(
    ("kind", "size", "feed", "message"),
    [
        (FLOATS, 2, {2: 1.0}, r"the key 2 is not in \[0, 2\)"),
        (FLOATS, 2, {-1: 1.0}, "the key -1"),
        (TEXTS, None, {1: "one"}, "cannot compute"),
        (TEXTS, None, {1: "1_0"}, "is no number"),
    ],
)
def test_maps_that_cannot_be_cast_are_refused(kind: Type, size: int | None, feed: object, message: str) -> None:
    x = Value(kind)
    with pytest.raises(InvalidModelError, match=message):
        run(graph_of(x, cast_map(x, dtype=DType.INT64, size=size)), {"x": feed})  # type: ignore[dict-item]


def test_keys_must_be_in_the_vocabulary() -> None:
    x = Value(FLOATS)
    y = dict_vectorizer(x, vocabulary=NUMBERS, dtype=DType.FLOAT32)
    with pytest.raises(InvalidModelError, match="the key 4 is not in the vocabulary of 3"):
        run(graph_of(x, y), {"x": {4: 1.0}})  # type: ignore[dict-item]  # a map is fed


@pytest.mark.parametrize("feed", [{"a": 1.0}, {True: 1.0}, {1.5: 1.0}, {1: np.float64(1)}, [1.0]])
def test_feeds_of_another_type_are_refused(feed: object) -> None:
    x = Value(FLOATS)
    with pytest.raises(UsageError):
        run(graph_of(x, cast_map(x, dtype=DType.FLOAT32, size=None)), {"x": feed})  # type: ignore[dict-item]


def test_keys_and_values_may_be_numpys() -> None:
    x = Value(FLOATS)
    feed = {np.int64(1): np.float32(2), 0: np.array([1], np.float32), 3: 3}
    y = run(graph_of(x, cast_map(x, dtype=DType.FLOAT32, size=None)), {"x": feed})["y"]  # type: ignore[dict-item]
    assert y.tolist() == [[1.0, 2.0, 3.0]]
