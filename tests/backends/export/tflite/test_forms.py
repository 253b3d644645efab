"""Forms that depend on sizes, types and scales: each small graph is written, read back, and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.tflite.test_export import Net, image, round_trip, versions
from xir.backends.export.tensorflow import plan_tensorflow
from xir.backends.export.tflite import plan_tflite
from xir.backends.export.tflite._integers import compute_in_integers
from xir.backends.export.tflite._plan import Record, Tensor
from xir.backends.export.tflite._versions import version_of
from xir.backends.export.tflite.elementwise import like
from xir.errors import UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol, ceil_divide, maximum
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import activation, bitwise, elementwise, pool, reduce, resize
from xir.ops import shape as shapes
from xir.ops.constant import constant
from xir.ops.conv import conv, conv_transpose
from xir.ops.finding import nonzero
from xir.ops.index import gather, gather_elements, gather_nd
from xir.ops.matmul import gemm
from xir.ops.padding import pad


def rows(net: Net, x: Value, *, window: int = 3, groups: int = 1, gap: int = 1) -> Value:
    """A convolution over as many axes as the operand has besides batch and channels."""
    count = x.rank - 2
    w = net.weight(4, 2 // groups, *(window,) * count)
    ones = (1,) * count
    return conv(
        x, w, strides=ones, padding=((1, 1),) * count, dilation=ones, input_dilation=(gap,) * count, groups=groups
    )


def of(dtype: DType, *sizes: int | Symbol) -> Value:
    return Value(TensorType(dtype, sizes))


def _conv_1d() -> Graph:
    x = image(2, 2, 9)
    net = Net(x)
    return net.graph(rows(net, x), pool.max_pool(x, window=(2,), strides=(2,), padding=((0, 0),), dilation=(1,)))


def _conv_3d() -> Graph:
    x = image(1, 2, 4, 5, 6)
    net = Net(x)
    return net.graph(rows(net, x))


def _gaps() -> Graph:
    x = image(1, 2, 4, 4)
    net = Net(x)
    return net.graph(rows(net, x, gap=2))


def _grown_transposed() -> Graph:
    x = image(1, 2, 4, 4)
    net = Net(x)
    w = net.weight(2, 3, 2, 2)
    more = {"strides": (2, 2), "dilation": (2, 2), "output_padding": (1, 1)}
    made = conv_transpose(x, w, padding=((0, 0), (0, 0)), groups=1, **more)
    return net.graph(made)


def _choices() -> Graph:
    x = image(3, 5)
    least = reduce.top_k(x, k=2, axis=0, largest=False)
    most = reduce.top_k(x, k=2, axis=1)
    last = reduce.arg_max(x, axis=1, keep_dims=True, last=True)
    return Net(x).graph(*least, *most, last, reduce.arg_min(x, axis=0, keep_dims=False))


def _sizes_of_the_run() -> Graph:
    rows_, columns = Symbol("H"), Symbol("W")
    x = image(rows_, columns)
    half = ceil_divide(rows_, 2)
    longest = maximum(rows_, columns)
    one = constant(value=constant_of(np.ones((1, 1), np.float32)))
    flat = shapes.reshape(x, shape=(rows_ * columns,))
    row = shapes.iota(shape=(rows_,), axis=0, dtype=DType.FLOAT32)
    return Net(x).graph(
        shapes.broadcast(one, shape=(half + 1, longest)),
        shapes.broadcast(one, shape=(rows_ * columns + 3, columns)),
        flat,
        row,
        shapes.slice_(x, axes=(0,), starts=(0,), stops=(half,), steps=(1,)),
    )


def _padding() -> Graph:
    x = image(2, 6)
    return Net(x).graph(
        pad(x, padding=((0, 0), (2, 3)), mode="edge"),
        pad(x, padding=((0, 1), (2, 3)), mode="wrap"),
        pad(x, padding=((1, 0), (2, 3)), mode="reflect"),
        pad(x, padding=((1, 0), (-2, 3)), value=4.0),
        pad(x, padding=((0, 0), (0, 0))),
    )


def _products() -> Graph:
    a, b, c = image(4, 3), image(4, 5), image(3, 5)
    row = image(1, 5)
    told = {"transpose_a": True, "transpose_b": False}
    return Net(a, b, c, row).graph(
        gemm(a, b, c, alpha=2.0, beta=0.5, **told),
        gemm(a, b, shapes.broadcast(row, shape=(3, 5)), alpha=1.0, beta=1.0, **told),
    )


def _many_axes() -> Graph:
    """Pools over three axes, cuts and margins of six axes, of which the kernels take fewer."""
    x, y = image(2, 3, 5, 6, 7), image(2, 1, 3, 1, 4, 1)
    planes = {"window": (2, 3, 2), "strides": (1, 2, 2), "dilation": (1, 1, 1)}
    padding, counted = ((1, 0), (1, 1), (0, 1)), ((1, 0), (0, 1), (0, 0))
    grown = shapes.pad(y, padding=((0, 1), (0, 0), (2, 0), (0, 0), (1, 1), (0, 0)), mode="constant", value=0.5)
    cut = shapes.slice_(grown, axes=(0, 2, 4), starts=(1, 1, 0), stops=(3, 5, 6), steps=(1, 3, 2))
    return Net(x, y).graph(
        pool.max_pool(x, padding=padding, **planes),
        pool.average_pool(x, padding=padding, counted_padding=counted, **planes),
        cut,
        shapes.pad(y, padding=((1, 0), (0, 0), (0, 2), (0, 0), (0, 0), (0, 0)), mode="reflect", value=0.0),
        shapes.broadcast(y, shape=(2, 2, 3, 2, 4, 3)),
    )


def _gathered() -> Graph:
    x = image(5, 3)
    back = constant(value=constant_of(np.array([-1, 0], np.int64)))
    return Net(x).graph(gather(x, back, axis=0))


def _picked() -> Graph:
    """Elements picked along an axis, and rows of each of the batch, whose sizes only the run tells."""
    x = image(Symbol("N"), 3, Symbol("W"), 2)
    _, places = reduce.top_k(x, k=2, axis=1)
    back = elementwise.sub(places, like(places, 3))
    rows_ = shapes.reshape(
        shapes.slice_(places, axes=(2, 3), starts=(0, 0), stops=(1, 1), steps=(1, 1)), shape=(x.shape[0], 2, 1)
    )
    return Net(x).graph(
        gather_elements(x, places, axis=1), gather_elements(x, back, axis=1), gather_nd(x, rows_, batch_axes=1)
    )


def _small_types() -> Graph:
    x, y, z = of(DType.INT8, 3), of(DType.FLOAT16, 3), of(DType.UINT32, 3)
    return Net(x, y, z).graph(
        elementwise.add(x, x),
        elementwise.mul(y, y),
        shapes.reverse(z, axes=(0,)),
        elementwise.cast(z, dtype=DType.BOOL),
    )


def _sampled() -> Graph:
    x = image(1, 2, 4, 6)
    linear = resize.resize(x, sizes=(8, 12), mode="linear", coordinates="half_pixel", scales=(2.0, 2.0))
    return Net(x).graph(linear)


def _functions() -> Graph:
    x = image(2, 5)
    inside, above = activation.tanh(x), elementwise.exp(elementwise.abs_(x))
    of_inside = (elementwise.asin, elementwise.acos, elementwise.atanh, elementwise.erf, elementwise.tan)
    of_all = (elementwise.atan, elementwise.sinh, elementwise.cosh, elementwise.asinh, elementwise.sign)
    tests = (elementwise.is_nan(x), elementwise.is_inf(x), elementwise.is_inf(x, negative=False))
    both = (elementwise.is_inf(x, positive=False), elementwise.is_inf(x, positive=False, negative=False))
    return Net(x).graph(
        *(function(inside) for function in of_inside),
        *(function(x) for function in of_all),
        elementwise.acosh(above),
        elementwise.reciprocal(above),
        elementwise.mod(x, above, floored=True),
        elementwise.mod(x, above, floored=False),
        elementwise.pow_(above, inside),
        activation.elu(x, alpha=0.5),
        activation.elu(x, alpha=1.0),
        activation.gelu(x, approximation="none"),
        elementwise.clip(x, minimum=-0.5, maximum=0.25),
        *tests,
        *both,
    )


def _integers() -> Graph:
    x, places = of(DType.INT32, 3, 2), of(DType.INT64, 3)
    shift = constant(value=constant_of(np.array([[1, 2]] * 3, np.int32)))
    sure = reduce.arg_max(x, axis=1, keep_dims=False)
    return Net(x, places).graph(
        bitwise.bitwise_not(x),
        bitwise.shift_right(x, shift),
        elementwise.clip(x, minimum=-1.0, maximum=3e9),
        elementwise.abs_(places),
        gather(x, sure, axis=1),
        gather(x, elementwise.clip(places, minimum=0.0, maximum=1.0), axis=1),
        reduce.reduce_sum(x, axes=(), keep_dims=True),
        nonzero(elementwise.cast(x, dtype=DType.BOOL)),
    )


def _windows_of_the_run() -> Graph:
    """Padding by a formula that is nothing for every size."""
    size = Symbol("W")
    x = image(1, 2, 6, size)
    net = Net(x)
    pair = (ceil_divide(size, 2) + size // 2 - size, ceil_divide(size, 2) - size // 2)
    inner = net.conv(x, 2, 3)
    made = pool.max_pool(inner, window=(2, 2), strides=(2, 2), padding=((0, 0), pair), dilation=(1, 1))
    return net.graph(made)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "convolution over one axis": _conv_1d,
    "convolution over three axes": _conv_3d,
    "gaps in the image": _gaps,
    "transposed with holes": _grown_transposed,
    "choices": _choices,
    "sizes of the run time": _sizes_of_the_run,
    "padding": _padding,
    "products": _products,
    "many axes": _many_axes,
    "gathered": _gathered,
    "picked": _picked,
    "small types": _small_types,
    "sampled": _sampled,
    "functions": _functions,
    "integers": _integers,
    "windows of the run time": _windows_of_the_run,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_form_computes_the_same(name: str, tmp_path: Path) -> None:
    round_trip(GRAPHS[name](), tmp_path / "net.tflite")
    plan_tensorflow(GRAPHS[name]())


def _with_holes(x: Value) -> Value:
    return pool.max_pool(x, window=(2, 2), strides=(1, 1), padding=((0, 0),) * 2, dilation=(2, 2))


REFUSED: tuple[tuple[Callable[[Value], Value], str], ...] = (
    (
        lambda x: pool.max_pool(x, window=(2, 2), strides=(1, 1), padding=((0, 0),) * 2, dilation=(2, 2)),
        "without holes",
    ),
    (lambda x: reduce.top_k(elementwise.cast(x, dtype=DType.INT32), k=1, axis=0, largest=False)[0], "smallest of"),
    (lambda x: elementwise.div(*(elementwise.cast(x, dtype=DType.INT64),) * 2), "no div of i64"),
)


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_has_no_form_says_why(make: Callable[[Value], Value], reason: str) -> None:
    x = image(1, 2, 5, 5)
    with pytest.raises(UnsupportedError, match=reason):
        plan_tflite(Net(x).graph(make(x)))


F32, I8, I16, I64, BOOL = DType.FLOAT32, DType.INT8, DType.INT16, DType.INT64, DType.BOOL
ONE, MANY = ((0.5,), (0,), 0), ((0.5, 0.5), (0, 0), 0)

VERSIONS = (
    ("CONV_2D", [Tensor(F32, (1, 4, 4, 8)), Tensor(F32, (8, 3, 3, 4))], {}, 6),
    ("CONV_2D", [Tensor(F32, (1, 4, 4, 8)), Tensor(I8, (8, 3, 3, 8), quantization=MANY)], {}, 5),
    ("DEPTHWISE_CONV_2D", [Tensor(F32, (1, 4, 4, 8)), Tensor(I8, (1, 3, 3, 8), quantization=ONE)], {}, 4),
    ("DEPTHWISE_CONV_2D", [Tensor(F32, (1, 4, 4, 8)), Tensor(F32, (1, 3, 3, 8))], {"dilation_h_factor": 2}, 2),
    ("FULLY_CONNECTED", [Tensor(F32, (1, 4)), Tensor(I8, (2, 4), quantization=MANY)], {}, 12),
    ("FULLY_CONNECTED", [Tensor(F32, (1, 4)), Tensor(F32, (2, 4)), Tensor(F32, (2,))], {"keep_num_dims": True}, 5),
    ("FULLY_CONNECTED", [Tensor(I8, (1, 4)), Tensor(I8, (2, 4)), Tensor(DType.INT32, (2,))], {}, 4),
    ("TRANSPOSE", [Tensor(I16, (2, 2))], {}, 5),
    ("TRANSPOSE_CONV", [Tensor(F32, (4,)), Tensor(I8, (1,)), Tensor(F32, (1,))], {}, 2),
    ("TRANSPOSE_CONV", [Tensor(F32, (4,))] * 4, {"fused_activation_function": "RELU"}, 4),
    ("PAD", [Tensor(BOOL, (2,))], {}, 5),
    ("STRIDED_SLICE", [Tensor(F32, (1,) * 5)], {}, 4),
    ("RESIZE_BILINEAR", [Tensor(I16, (1,) * 4)], {}, 4),
    ("RESIZE_NEAREST_NEIGHBOR", [Tensor(F32, (1,) * 4)], {"align_corners": True}, 3),
    ("MAXIMUM", [Tensor(I16, (1,))], {}, 4),
    ("MINIMUM", [Tensor(F32, (1,) * 5), Tensor(F32, (2,) * 5)], {}, 3),
    ("ADD", [Tensor(I16, (1,))], {}, 5),
    ("ADD", [Tensor(I16, (1,), quantization=ONE)], {}, 3),
    ("SUB", [Tensor(I16, (1,))], {}, 5),
    ("MUL", [Tensor(I16, (1,))], {}, 7),
    ("MUL", [Tensor(I8, (1,), quantization=ONE)] * 2, {}, 2),
    ("DEQUANTIZE", [Tensor(DType.FLOAT16, (1,))], {}, 3),
    ("CAST", [Tensor(DType.UINT16, (1,))], {}, 4),
    ("BROADCAST_TO", [Tensor(I8, (1,))], {}, 3),
    ("WHERE", [Tensor(F32, (1,))], {}, 2),
    ("RESHAPE", [Tensor(F32, (1,))], {}, 1),
)


@pytest.mark.parametrize(("kind", "inputs", "options", "version"), VERSIONS)
def test_a_use_has_the_version_that_its_kernel_needs(
    kind: str, inputs: list[Tensor], options: dict[str, int], version: int
) -> None:
    tensors = [*inputs, Tensor(inputs[0].dtype, (1,))]
    record = Record(kind, list(range(len(inputs))), [len(inputs)], ("Options", options))
    assert version_of(record, tensors) == version
    assert version_of(Record("QUANTIZE", [0], [1], None), [Tensor(F32, (2,)), Tensor(I8, (2,), quantization=MANY)]) == 3


def test_a_plan_without_scales_stays_as_it_is() -> None:
    x = image(2, 2)
    plan = plan_tflite(Net(x).graph(elementwise.exp(x)))
    before = list(plan.records)
    compute_in_integers(plan)
    assert plan.records == before
    assert versions(Net(x).graph(elementwise.exp(x))) == [("EXP", 1)]
