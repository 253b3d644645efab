"""An export for onnxruntime 1.31 loads there and computes what the reference does, whatever its kernels lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked
from tests.ops.cases import AnyOp
from tests.ops.cases.gated import operands, words
from tools import onnx_kernels
from xir.backends.export.onnx import legalize
from xir.backends.export.onnx.kernels import Kernel, Kernels, ort_1_31, read_table
from xir.backends.export.onnx.legalize import HINT_OF_TARGET
from xir.backends.export.onnx.targets import best_opset, choose
from xir.errors import FormatError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import bitwise, compare, elementwise, trigonometry
from xir.ops.activation import relu
from xir.ops.cast import saturating_cast
from xir.ops.finding import nonzero
from xir.ops.labels import lookup
from xir.ops.lstm import lstm
from xir.ops.places import scatter_nd
from xir.ops.quantize import quantize
from xir.ops.quantize_product import conv_integer
from xir.ops.reduce import reduce_max, top_k
from xir.ops.rnn import gru, rnn
from xir.ops.roi import roi_pool
from xir.ops.shape import broadcast, concat, pad
from xir.reference import run

TARGET = "ort==1.31"
TABLE = Path(onnx_kernels.__file__).resolve().parent.parent / "xir/backends/export/onnx/ort-1.31.tsv"


def kinds(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def same_under_onnxruntime(graph: Graph, feeds: dict[str, Array], path: Path, **words: object) -> Graph:
    """Exports for the target, runs there, compares bit by bit; answers the legal graph."""
    checked(graph, path, target=TARGET, **words)
    legal = choose(graph, None, None, TARGET)[1]
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(path, feeds), strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)
    return legal


def test_the_table_is_the_registry_of_the_installed_onnxruntime() -> None:
    import onnxruntime

    if not onnxruntime.__version__.startswith("1.31."):
        pytest.skip(f"the table is of onnxruntime 1.31, not {onnxruntime.__version__}")
    assert onnx_kernels.to_text(onnx_kernels.installed()) == TABLE.read_text()


@pytest.mark.parametrize(
    ("versions", "since", "covered"),
    [
        (((1, None),), 1, True),
        (((1, None),), 22, False),
        (((7, 12), (13, 13)), 9, True),
        (((7, 12), (13, 13)), 13, True),
        (((7, 12), (13, 13)), 14, False),
    ],
)
def test_a_kernel_without_end_is_of_its_first_wording_alone(
    versions: tuple[tuple[int, int | None], ...], since: int, covered: bool
) -> None:
    assert Kernel(versions, {}).covers(since) is covered


def test_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("operator\tversions\ttypes\nAdd\t7+\n")
    with pytest.raises(FormatError, match="expected an operator, versions and types"):
        read_table(str(tmp_path / "t.tsv"))


def test_bools_are_chosen_as_bytes(tmp_path: Path) -> None:
    net = Net()
    condition, x, y = (net.input(name, 2, dtype=DType.BOOL) for name in "cxy")
    graph = net.graph(z=elementwise.select(condition, x, y))
    feeds = {"c": np.array([True, False]), "x": np.array([True, True]), "y": np.array([True, False])}
    legal = same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx")
    assert kinds(legal) == ["cast", "cast", "select", "cast"]
    assert kinds(legalize(graph, 21)) == ["select"]


NUMBERS = (DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32, DType.INT64, DType.UINT64)
PAIRS = {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "maximum": elementwise.maximum,
    "minimum": elementwise.minimum,
    "less": compare.less,
    "greater_equal": compare.greater_equal,
    "equal": compare.equal,
    "and": bitwise.bitwise_and,
    "xor": bitwise.bitwise_xor,
}


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), dtype=st.sampled_from(NUMBERS), name=st.sampled_from(sorted(PAIRS)), opset=st.sampled_from((18, 21))
)
def test_integers_of_all_sizes_are_what_they_are_in_their_own(
    data: st.DataObject, dtype: DType, name: str, opset: int
) -> None:
    net = Net()
    x, y = (net.input(each, 4, dtype=dtype) for each in "xy")
    graph = net.graph(z=PAIRS[name](x, y))
    low, high = (np.iinfo(dtype.dtype).min, np.iinfo(dtype.dtype).max)
    element = st.sampled_from((low, low + 1, 0, 1, 5, high - 1, high)) | st.integers(low, high)
    feeds = {each: np.array(data.draw(st.lists(element, min_size=4, max_size=4)), dtype.dtype) for each in "xy"}
    legal = legalize(graph, opset, ort_1_31())
    for want, have in zip(run(graph, feeds).values(), run(legal, feeds).values(), strict=True):
        np.testing.assert_array_equal(have, want)


def test_unsigned_numbers_of_64_bits_keep_their_order(tmp_path: Path) -> None:
    net = Net()
    values, places = top_k(net.input("x", 5, dtype=DType.UINT64), k=3, axis=0, largest=True, sorted=True)
    feeds = {"x": np.array([5, 2**63, 2**64 - 1, 0, 2**63 - 1], np.uint64)}
    legal = same_under_onnxruntime(net.graph(values=values, places=places), feeds, tmp_path / "m.onnx")
    assert "bitwise_xor" in kinds(legal)


def test_the_largest_of_no_integers_is_not_asked_for_in_another_type() -> None:
    net = Net()
    x = net.input("x", 0, 2, dtype=DType.UINT64)
    with pytest.raises(UnsupportedError, match="no kernel for ReduceMax of u64"):
        choose(net.graph(y=reduce_max(x, axes=(0,), keep_dims=False)), None, None, TARGET)


def test_bfloat16_is_computed_in_single_precision_and_rounded_once(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 64, dtype=DType.BFLOAT16)
    graph = net.graph(y=elementwise.mul(elementwise.add(x, x), x))
    feeds = {"x": np.random.default_rng(0).normal(size=64).astype(DType.BFLOAT16.dtype)}
    legal = same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx")
    assert kinds(legal).count("cast") >= 3


def test_half_precision_stays_for_onnxruntime_computes_it_by_itself(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 3, dtype=DType.FLOAT16)
    legal = same_under_onnxruntime(net.graph(y=relu(elementwise.neg(x))), {"x": np.ones(3, np.float16)}, tmp_path / "m")
    assert kinds(legal) == ["neg", "relu"]
    assert kinds(legalize(net.graph(y=relu(x)), 21, Kernels("another", ort_1_31().table))) == ["cast", "relu", "cast"]


def test_functions_are_inlined_where_there_is_no_kernel() -> None:
    from tests.ops.cases.control import body
    from xir.ir.types import SequenceType, TensorType
    from xir.ops.sequence import sequence_map

    square = TensorType(DType.FLOAT32, (2, 2))
    items = Value(SequenceType(square))
    made = sequence_map(items, body=body([square], lambda x: (relu(x),)), mapped=1)[0]
    graph = Graph("g", (items,), (made,), ("y",), names={items: "x"})
    assert kinds(legalize(graph, 21, ort_1_31())) == ["sequence_map"]
    with pytest.raises(UnsupportedError, match="another has no kernel for SequenceMap"):
        legalize(graph, 21, Kernels("another", ort_1_31().table))


def test_all_that_a_target_lacks_is_told_at_once() -> None:
    net = Net()
    x = net.input("x", 2, dtype=DType.FLOAT64)
    graph = net.graph(a=trigonometry.atan(x), b=trigonometry.asin(trigonometry.atan(x)), c=elementwise.erf(x))
    with pytest.raises(UnsupportedError) as caught:
        choose(graph, None, None, TARGET)
    assert "4 of" in caught.value.message
    assert "that onnxruntime 1.31 computes at opset 21" in caught.value.message
    assert {problem.kind for problem in caught.value.problems} == {"asin", "atan", "erf"}
    assert {problem.hint for problem in caught.value.problems} == {caught.value.hint} == {HINT_OF_TARGET}
    assert choose(graph, None, None, None)[0].opset == 21
    assert choose(graph, None, None, "ort==1.18")[0].opset == 21


def test_the_reason_is_what_the_target_lacks_where_a_newer_opset_would_say_it() -> None:
    net = Net()
    x = net.input("x", 2, dtype=DType.FLOAT32)
    graph = net.graph(y=elementwise.cast(x, dtype=DType.FLOAT4E2M1))
    with pytest.raises(UnsupportedError, match="no kernel for Cast of f4e2m1") as caught:
        choose(graph, None, None, TARGET)
    assert caught.value.hint == HINT_OF_TARGET


def test_an_older_wording_serves_where_the_newest_has_no_kernel() -> None:
    """The runtime has a kernel of MaxRoiPool-1, not of that of opset 22."""
    net = Net()
    graph = net.graph(y=roi_pool(net.input("x", 1, 2, 8, 8), net.input("rois", 3, 5), pooled=(2, 2), spatial_scale=1.0))
    assert choose(graph, None, None, TARGET)[0].opset == 21
    assert kinds(choose(graph, 22, None, None)[1]) == ["roi_pool"]
    only_old = Kernels("old", {("", "Relu"): (Kernel(((6, 12),), {"T": frozenset(("f32",))}),)})
    plain = Net()
    assert best_opset(plain.graph(y=relu(plain.input("x", 2))), 21, 26, only_old)[0] == 12


def test_zero_points_of_channels_are_taken_off_behind_the_convolution(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2, 4, 5, 6, dtype=DType.UINT8)
    w = net.weight("w", np.random.default_rng(1).integers(-128, 128, (6, 2, 3, 2)).astype(np.int8))
    x_zero, w_zero = net.weight("a", np.uint8(7)), net.weight("b", np.array([1, -2, 3, -128, 127, 0], np.int8))
    words = {"strides": (1, 2), "padding": ((1, 0), (0, 2)), "dilation": (1, 1)}
    graph = net.graph(y=conv_integer(x, w, x_zero, w_zero, groups=2, **words))  # type: ignore[arg-type]
    feeds = {"x": np.random.default_rng(2).integers(0, 256, (2, 4, 5, 6)).astype(np.uint8)}
    legal = same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx")
    assert kinds(legal).count("conv_integer") == 2


def test_scattered_sums_of_half_precision(tmp_path: Path) -> None:
    net = Net()
    x, i = net.input("x", 4, dtype=DType.FLOAT16), net.input("i", 2, 1, dtype=DType.INT64)
    y = scatter_nd(x, i, net.input("u", 2, dtype=DType.FLOAT16), reduction="add")
    feeds = {"x": np.arange(4).astype(np.float16), "i": np.array([[1], [3]]), "u": np.array([2, 5], np.float16)}
    same_under_onnxruntime(net.graph(y=y), feeds, tmp_path / "m.onnx")


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.UINT32, DType.UINT64, DType.INT16])
def test_elements_that_are_not_zero_in_types_without_a_kernel(dtype: DType, tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(y=nonzero(net.input("x", 4, dtype=dtype)))
    same_under_onnxruntime(graph, {"x": np.array([0, 3, 0, 1]).astype(dtype.dtype)}, tmp_path / "m.onnx")


@pytest.mark.parametrize("dtype", [DType.INT16, DType.UINT16, DType.FLOAT8E5M2, DType.BFLOAT16, DType.FLOAT16])
def test_elements_that_are_only_moved(dtype: DType, tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2, 1, dtype=dtype)
    y = concat(broadcast(x, shape=(2, 3)), pad(x, padding=((0, 0), (1, 1)), value=1.0), axis=1)
    same_under_onnxruntime(net.graph(y=y), {"x": np.array([[1], [3]]).astype(dtype.dtype)}, tmp_path / "m.onnx")


def quantized(zero_point: Value, net: Net) -> Graph:
    x, scale = net.input("x", 4), net.input("scale")
    words = {"dtype": DType.FLOAT8E4M3FN, "axis": 0, "block": 0, "saturate": True, "precision": None}
    return net.graph(y=quantize(x, scale, zero_point, **words))  # type: ignore[arg-type]


def test_zero_points_of_narrow_floats_are_said_where_they_are_zero(tmp_path: Path) -> None:
    feeds = {"x": np.array([1, -2, 3, 900], np.float32), "scale": np.array(0.5, np.float32)}
    net = Net()
    zero = net.weight("zero", np.zeros((), DType.FLOAT8E4M3FN.dtype))
    assert kinds(same_under_onnxruntime(quantized(zero, net), feeds, tmp_path / "m.onnx")) == ["quantize"]
    net = Net()
    one = net.weight("one", np.ones((), DType.FLOAT8E4M3FN.dtype))
    assert "quantize" not in kinds(same_under_onnxruntime(quantized(one, net), feeds, tmp_path / "m.onnx"))
    net = Net()
    graph = quantized(net.input("given", dtype=DType.FLOAT8E4M3FN), net)
    feeds["given"] = np.ones((), DType.FLOAT8E4M3FN.dtype)
    assert "quantize" not in kinds(same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx"))


def test_clip_before_it_had_kernels_keeps_what_is_no_number(tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(y=elementwise.clip(net.input("x", 5, dtype=DType.FLOAT64), minimum=-1.0, maximum=2.0))
    feeds = {"x": np.array([-9, 0.1, np.nan, np.inf, -np.inf])}
    same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx", opset=11)
    assert {"select", "less", "greater"} <= set(kinds(choose(graph, 11, None, TARGET)[1]))
    assert kinds(choose(graph, 12, None, TARGET)[1]) == ["clip"]


def test_a_cast_to_the_own_type_that_saturates(tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(y=saturating_cast(net.input("x", 3, dtype=DType.FLOAT8E5M2), dtype=DType.FLOAT8E5M2))
    feeds = {"x": np.array([np.inf, -np.inf, 2]).astype(DType.FLOAT8E5M2.dtype)}
    same_under_onnxruntime(graph, feeds, tmp_path / "m.onnx")


def test_a_newer_opset_finds_what_is_no_number() -> None:
    net = Net()
    keys = constant_of(np.array([np.nan, 1], np.float32))
    values, default = constant_of(np.array([1, 2])), constant_of(np.array(0))
    graph = net.graph(y=lookup(net.input("x", 3), keys=keys, values=values, default=default))
    assert choose(graph, None, None, TARGET)[0].opset == 21
    with pytest.raises(UnsupportedError, match="LabelEncoder finds no NaN") as caught:
        choose(graph, 19, None, TARGET)
    assert caught.value.hint == "needs opset >= 20: add --opset 20"


@pytest.mark.parametrize("layer", [rnn, lstm, gru], ids=lambda layer: layer.name)
@pytest.mark.parametrize(("dtype", "whole", "far"), [(DType.BFLOAT16, True, 1e-2), (DType.FLOAT64, False, 1e-14)])
def test_recurrent_layers_in_types_without_a_kernel(
    layer: AnyOp, dtype: DType, whole: bool, far: float, tmp_path: Path
) -> None:
    """In bf16 one operator of f32, rounded once; in f64, which nothing holds, step by step."""
    net = Net()
    x, w, r, b = operands(layer, 1, dtype)
    held = [net.weight(name, array) for name, array in zip("wrb", (w, r, b), strict=True)]
    graph = net.graph(y=layer(net.input("x", *x.shape, dtype=dtype), *held, **words(layer))[0])
    checked(graph, tmp_path / "m.onnx", target=TARGET)
    assert (layer.name in kinds(choose(graph, None, None, TARGET)[1])) is whole
    (want,), (have,) = run(graph, {"x": x}).values(), by_onnxruntime(tmp_path / "m.onnx", {"x": x})
    np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), atol=far)
