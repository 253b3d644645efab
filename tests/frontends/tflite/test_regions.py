"""StableHLO's operators with regions, windows and places: what they refuse, and what no other reader shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xir
from tests.frontends.tflite.models import Case, Fed, Model, Out, single
from tests.frontends.tflite.regions import model_of, numbers
from xir.errors import XirError

Build = Callable[[Model], None]

X = numbers(4, 5)
AT = np.array([[1], [0]], np.int32)


def _one(kind: str, dtype: str = "float32", result: str = "float32", swapped: bool = False, **words: Any) -> Build:
    """A region of one operator over two scalars."""

    def build(model: Model) -> None:
        inner = model.subgraph("region")
        pair = [inner.input(dtype, ()), inner.input(dtype, ())]
        inner.outputs += inner.op(kind, pair[::-1] if swapped else pair, [Out(result)], words.get("options"))

    return build


def _compare(direction: str, swapped: bool = False) -> Build:
    options = {"StablehloCompareOptions": {"comparison_direction": direction}}
    return _one("STABLEHLO_COMPARE", result="bool", swapped=swapped, options=options)


def _first(model: Model) -> None:
    inner = model.subgraph("region")
    inner.outputs += [inner.input("float32", ()), inner.input("float32", ())][:1]


def _summed(model: Model) -> None:
    inner = model.subgraph("region")
    pair = [inner.input("float32", ()), inner.input("float32", ())]
    options: dict[str, Any] = {"CumsumOptions": {}}
    row = inner.op("RESHAPE", [*inner.op("STABLEHLO_ADD", pair), inner.constant(np.array([1], np.int32))])
    made = inner.op("CUMSUM", [*row, inner.constant(np.int32(0))], [Out()], options)
    inner.outputs += inner.op("RESHAPE", [*made, inner.constant(np.zeros(0, np.int32))])


def _halved(model: Model) -> None:
    inner = model.subgraph("region")
    half = inner.constant(np.float32(0.5))
    pair = [inner.op("STABLEHLO_MULTIPLY", [inner.input("float32", ()), half])[0] for _ in range(2)]
    words = {"StablehloCompareOptions": {"comparison_direction": "LT"}}
    inner.outputs += inner.op("STABLEHLO_COMPARE", pair, [Out("bool")], words)


def _repeated(model: Model) -> None:
    """A sum that does not look like one: an operand is repeated to a scalar."""
    inner = model.subgraph("region")
    pair = [inner.input("float32", ()), inner.input("float32", ())]
    words = {"StablehloBroadcastInDimOptions": {"broadcast_dimensions": ()}}
    inner.outputs += inner.op(
        "STABLEHLO_ADD", [pair[0], *inner.op("STABLEHLO_BROADCAST_IN_DIM", pair[1:], [Out()], words)]
    )


def _variable() -> Case:
    """A branch whose result is a variable."""
    model = Model()
    graph = model.subgraph()
    options = {"IfOptions": {"then_subgraph_index": 1, "else_subgraph_index": 2}}
    graph.outputs += graph.op("IF", [graph.input("bool", ())], [Out("RESOURCE", shape=(1,))], options)
    for name in ("then", "else"):
        branch = model.subgraph(name)
        words = {"VarHandleOptions": {"shared_name": name}}
        branch.outputs += branch.op("VAR_HANDLE", [], [Out("RESOURCE", shape=(1,))], words)
    return Case("IF", model.data(), (np.bool_(True),))


def _open() -> Case:
    """A reduction by a region of its own along an axis whose size the run tells."""
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", X.shape, None, shape_signature=(-1, X.shape[1]))
    options = {"StablehloReduceOptions": {"dimensions": (0,), "body_subgraph_index": 1}}
    graph.outputs += graph.op("STABLEHLO_REDUCE", [x, graph.constant(np.float32(0))], [Out()], options)
    _repeated(model)
    return Case("STABLEHLO_REDUCE", model.data(), (X,))


def gather(**words: Any) -> Case:
    """Rows of X, some words changed."""
    fields = {"offset_dims": (1,), "collapsed_slice_dims": (0,), "start_index_map": (0,), "slice_sizes": (1, 5),
              "index_vector_dim": 1, **words}  # fmt: skip
    return single("STABLEHLO_GATHER", Fed(X), Fed(AT), options={"StablehloGatherOptions": fields})


def scatter(region: Any, **words: Any) -> Case:
    """Rows put into X, some words changed."""
    fields = {"update_window_dims": (1,), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,),
              "index_vector_dim": 1, "update_computation_subgraph_index": 1, **words}  # fmt: skip
    return model_of("STABLEHLO_SCATTER", (X, AT, X[:2]), {"StablehloScatterOptions": fields}, (Out(),), region)


def window(**words: Any) -> Case:
    """A window reduction of X."""
    fields = {"window_dimensions": (2, 2), "body_subgraph_index": 1, **words}
    options = {"StablehloReduceWindowOptions": fields}
    return model_of("STABLEHLO_REDUCE_WINDOW", (X, np.float32(0)), options, (Out(),), _one("STABLEHLO_ADD"))


def sort(region: Any, *values: Any) -> Case:
    """A sort along the last axis."""
    options = {"StablehloSortOptions": {"dimension": 1, "comparator_subgraph_index": 1}}
    return model_of("STABLEHLO_SORT", values or (X,), options, tuple(Out() for _ in values or (X,)), region)


def reduce(region: Any, *operands: Any) -> Case:
    """A reduction along the last axis."""
    options = {"StablehloReduceOptions": {"dimensions": (1,), "body_subgraph_index": 1}}
    return model_of("STABLEHLO_REDUCE", operands or (X, np.float32(0)), options, (Out(),), region)


def conv(**words: Any) -> Case:
    """A product of windows of one axis."""
    fields = {"kernel_output_feature_dimension": 2, "kernel_input_feature_dimension": 1, "feature_group_count": 1,
              "batch_group_count": 1, "input_feature_dimension": 2, "output_feature_dimension": 2, **words}  # fmt: skip
    for role, axis in (("input", 1), ("kernel", 0), ("output", 1)):
        fields.setdefault(f"{role}_spatial_dimensions", (axis,))
    feeds = (numbers(3, 4, 2), numbers(2, 2, 2))
    return model_of("STABLEHLO_CONVOLUTION", feeds, {"StablehloConvolutionOptions": fields}, (Out(),))


def _unknown(operand: int, kind: str, table: str, fields: dict[str, Any], region: Any = None) -> Case:
    """An operator of which an operand has a size that the run tells."""
    model = Model()
    graph = model.subgraph()
    feeds = {"STABLEHLO_SORT": (X,), "STABLEHLO_GATHER": (X, AT)}.get(kind, (X, AT, X[:2]))
    held: list[int | None] = []
    for place, feed in enumerate(feeds):
        more: dict[str, Any] = {"shape_signature": (-1, *feed.shape[1:])} if place == operand else {}
        held.append(graph.input(str(feed.dtype), feed.shape, None, **more))
    graph.outputs += graph.op(kind, held, [Out()], {table: fields})
    if region is not None:
        region(model)
    return Case(kind, model.data(), feeds)


ROWS = {"offset_dims": (1,), "collapsed_slice_dims": (0,), "start_index_map": (0,), "slice_sizes": (1, 5),
        "index_vector_dim": 1}  # fmt: skip
PUT = {"update_window_dims": (1,), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,),
       "index_vector_dim": 1, "update_computation_subgraph_index": 1}  # fmt: skip
ADD = _one("STABLEHLO_ADD")
WIDE = np.zeros((1, 5000), np.float32)

CASES: dict[str, tuple[Case, str]] = {
    "a window that is too large": (gather(slice_sizes=(1, 9)), "do not fit"),
    "an axis that is not there": (gather(start_index_map=(7,)), "has no axes"),
    "a collapsed axis of 5": (gather(collapsed_slice_dims=(1,)), "are not 1"),
    "offsets": (gather(offset_dims=(1, 1)), "do not fit"),
    "an index axis": (gather(index_vector_dim=5), "do not fit"),
    "an unknown size": (_unknown(1, "STABLEHLO_GATHER", "StablehloGatherOptions", ROWS), "not known before"),
    "unknown updates": (_unknown(2, "STABLEHLO_SCATTER", "StablehloScatterOptions",
                                 {**PUT, "update_window_dims": (0,)}, ADD), "not known before"),
    "axes of updates": (scatter(ADD, update_window_dims=(1, 0)), "without the axes"),
    "a combination": (scatter(_one("STABLEHLO_SUBTRACT")), "by more than"),
    "the first of two": (scatter(_first), "by more than"),
    "edges": (window(padding=(1, 2)), "do not fit"),
    "gaps": (window(base_dilations=(0, 1)), "do not fit"),
    "windows": (window(window_dimensions=(0, 1)), "do not fit"),
    "no start": (reduce(ADD, X, *[np.float32(0)] * 2), "with a start for each"),
    "two shapes": (reduce(ADD, X, X[:2], np.float32(0), np.float32(0)), "with a start for each"),
    "a region with a product": (
        reduce(_one("BATCH_MATMUL", options={"BatchMatMulOptions": {}})), "2 axes",
    ),
    "a region with a sum of all": (reduce(_summed), "not element-wise"),
    "equal elements": (sort(_compare("LE")), "equal elements"),
    "two sorts": (sort(_compare("LT"), X, X[:2]), "one shape"),
    "a long sort": (sort(_halved, WIDE), "comparison of its own"),
    "an unknown sort": (
        _unknown(0, "STABLEHLO_SORT", "StablehloSortOptions", {"comparator_subgraph_index": 1}, _halved),
        "comparison of its own",
    ),
    "a branch that makes a variable": (_variable(), "makes resources"),
    "an unknown reduction": (_open(), "unknown size"),
    "no branch": (single("STABLEHLO_CASE", Fed(AT[0]), Fed(X), options={"StablehloCaseOptions": {}}), "no branch"),
    "axes of an image": (conv(input_feature_dimension=0), "do not fit"),
    "two kinds of groups": (conv(feature_group_count=2, batch_group_count=3), "groups of channels"),
    "parts of the batch": (conv(batch_group_count=2), "2 parts"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    case, told = CASES[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    with pytest.raises(XirError) as caught:
        xir.load(path)
    assert told in caught.value.message


def test_indices_without_an_axis_of_their_own(tmp_path: Path) -> None:
    """The axis of index vectors one behind the last: each index is a vector of one."""
    words = {**ROWS, "offset_dims": (2,), "index_vector_dim": 2}
    at = np.array([[3, 1], [9, -4]], np.int32)
    case = single("STABLEHLO_GATHER", Fed(X), Fed(at), options={"StablehloGatherOptions": words})
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    graph = xir.load(str(path))
    (got,) = xir.run(graph, dict(zip(graph.input_names, case.feeds, strict=True))).values()
    np.testing.assert_array_equal(got, X[np.clip(at, 0, 3)])


def test_an_update_before_the_first_place_is_left_out(tmp_path: Path) -> None:
    case = scatter(ADD)
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    graph = xir.load(str(path))
    feeds = (X, np.array([[-1], [2]], np.int32), X[:2])
    (got,) = xir.run(graph, dict(zip(graph.input_names, feeds, strict=True))).values()
    want = X.copy()
    want[2] += X[1]
    np.testing.assert_array_equal(got, want)


def test_a_scalar_that_is_repeated_in_a_region_is_itself(tmp_path: Path) -> None:
    case = reduce(_repeated)
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    graph = xir.load(str(path))
    (got,) = xir.run(graph, dict(zip(graph.input_names, case.feeds, strict=True))).values()
    np.testing.assert_allclose(got, X.sum(1), rtol=1e-6)
