"""Products of bytes: integers are summed exactly, whatever the form, the processor and the tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.backends.codegen.guarded import Side, guarded_run
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import Machine, host
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Run
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import scalars
from xir.ops.activation import relu
from xir.ops.conv import conv
from xir.ops.matmul import gemm, matmul
from xir.ops.quantize import dequantize, dynamic_quantize, quantize
from xir.ops.quantize_product import conv_integer, matmul_integer, quantized_conv, quantized_matmul
from xir.ops.shape import broadcast, transpose
from xir.reference import run

MACHINES = {"narrow": Machine("x86-64", "", 8, 16), "wide": Machine("x86-64", "", 16, 32)}
U8, I8, F32 = DType.UINT8, DType.INT8, DType.FLOAT32
B = Symbol("B")


class Making:
    """A graph while it is made: weights are parameters."""

    def __init__(self) -> None:
        """Starts empty."""
        self.rng = np.random.default_rng(3)
        self.parameters: list[Parameter] = []

    def weight(self, array: object) -> Value:
        held = constant_of(np.asarray(array))
        value = Value(held.type)
        self.parameters.append(Parameter(value, held))
        return value

    def bytes_(self, dtype: DType, *shape: int) -> Array:
        limits = np.iinfo(dtype.dtype)
        array = self.rng.integers(limits.min, limits.max + 1, shape).astype(dtype.dtype)
        array.reshape(-1)[:4] = [limits.min, limits.max, limits.max, limits.min]
        return array

    def graph(self, x: Value, *outputs: Value) -> Graph:
        names = {x: "x", **{each.value: f"w{number}" for number, each in enumerate(self.parameters)}}
        return Graph("g", (x,), outputs, parameters=tuple(self.parameters), names=names)


@dataclass(frozen=True)
class Image:
    """A convolution of bytes."""

    x: DType = U8
    w: DType = I8
    channels: int = 8
    outputs: int = 20
    image: tuple[int, int] = (7, 9)
    window: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    padding: int | tuple[tuple[int, int], tuple[int, int]] = 1
    groups: int = 1
    batch: Dim = 1
    zero: int | None = 3
    zeros: bool = False

    @property
    def words(self) -> dict[str, object]:
        sides = ((self.padding, self.padding),) * 2 if isinstance(self.padding, int) else self.padding
        return {"strides": self.strides, "padding": sides, "dilation": (1, 1), "groups": self.groups}

    def integers(self) -> Graph:
        """`conv_integer` alone."""
        making, x = Making(), self.operand()
        array = making.bytes_(self.w, self.outputs, self.channels // self.groups, *self.window)
        if self.zeros:
            array = (array // 2).astype(array.dtype)
        points = making.bytes_(self.w, self.outputs) // 2 if self.zeros else None
        x_zero = None if self.zero is None else making.weight(np.asarray(self.zero, self.x.dtype))
        w_zero = None if points is None else making.weight(points.astype(self.w.dtype))
        return making.graph(x, conv_integer(x, making.weight(array), x_zero, w_zero, **self.words))  # type: ignore[arg-type]

    def operand(self) -> Value:
        return Value(TensorType(self.x, (self.batch, self.channels, *self.image)))

    def dequantized(self, *, bias: str = "steps") -> Graph:
        """A layer between dequantised operands, activated and quantised again."""
        making, x = Making(), self.operand()
        array = making.bytes_(self.w, self.outputs, self.channels // self.groups, *self.window)
        scales = making.rng.uniform(0.001, 0.01, self.outputs).astype(np.float32)
        step = np.float32(0.02)
        zero = None if self.zero is None else making.weight(np.asarray(self.zero, self.x.dtype))
        real = dequantize(x, making.weight(step), zero, dtype=F32)
        weights = dequantize(making.weight(array), making.weight(scales), None, dtype=F32, axis=0)
        if bias == "steps":
            held = making.weight(making.rng.integers(-9000, 9000, self.outputs).astype(np.int32))
            given = dequantize(held, making.weight(step * scales), None, dtype=F32, axis=0)
        else:
            given = making.weight(making.rng.standard_normal(self.outputs).astype(np.float32))
        y = relu(conv(real, weights, given, input_dilation=(1, 1), **self.words))  # type: ignore[arg-type]
        out = making.weight(np.float32(0.05)), making.weight(np.asarray(7, np.uint8))
        made = quantize(y, *out, dtype=U8)
        return making.graph(x, made, dequantize(made, *out, dtype=F32))


IMAGES = {
    "windows": Image(),
    "pixels": Image(window=(1, 1), padding=0, channels=64, outputs=40),
    "signed": Image(x=I8, zero=-5),
    "unsigned weights": Image(w=U8, zeros=True),
    "zero points of weights": Image(zeros=True),
    "no zero point": Image(zero=None),
    "three channels": Image(channels=3, strides=(2, 2)),
    "cut off and padded": Image(padding=((-1, 0), (0, 2))),
    "groups": Image(channels=16, outputs=24, groups=2),
    "groups of three": Image(channels=12, outputs=24, groups=4),
    "depthwise": Image(channels=24, outputs=24, groups=24),
    "one output": Image(outputs=1, channels=4),
    "one output of one cell": Image(outputs=1, channels=4, window=(1, 1), padding=0),
    "many": Image(batch=B, channels=32, outputs=70, image=(5, 6)),
}


def fed(graph: Graph) -> Array:
    """What a graph is fed."""
    (x,) = graph.inputs
    shape = tuple(3 if size is B else size for size in x.shape)
    rng = np.random.default_rng(5)
    if x.dtype.is_floating:
        return rng.standard_normal(shape).astype(x.dtype.dtype)
    limits = np.iinfo(x.dtype.dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(x.dtype.dtype)


def interpreted(graph: Graph, array: Array, machine: Machine) -> list[Array]:
    """The outputs, kernel by kernel through the interpreter; each kernel keeps the rules."""
    made = lower(expand(graph), machine)
    sizes: dict[Symbol, Dim] = {B: array.shape[0]}
    held: dict[int, Array] = {slot: constant.array().reshape(-1) for slot, constant in made.constants.items()}
    held[made.slot(graph.inputs[0])] = array.reshape(-1)
    for step in made.steps:
        assert isinstance(step, Run)
        verify(step.kernel)
        count = len(step.kernel.inputs)
        given = zip(step.slots[:count], step.kernel.inputs, strict=True)
        arrays = [held[slot].reshape(-1).view(buffer.dtype.dtype) for slot, buffer in given]
        results = interpret(step.kernel, arrays, sizes)
        held.update(zip(step.slots[count:], results, strict=True))
    return [held[made.slot(value)].reshape(-1) for value in made.outputs]


def has_words(graph: Graph) -> bool:
    """Whether a kernel sums bytes four at a time."""
    steps = lower(expand(graph), MACHINES["wide"]).steps
    kernels = [step.kernel for step in steps if isinstance(step, Run)]
    return any("dot4" in str(getattr(part, "function", "")) for kernel in kernels for part in scalars(kernel.body))


def wanted(graph: Graph, array: Array) -> list[Array]:
    return list(run(graph, {"x": array}).values())


@pytest.fixture(params=["native", "x86-64-v3"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Processors that code is made for here."""
    found = Machine(request.param, "", 8, 16) if request.param.startswith("x86") else host()
    monkeypatch.setattr("xir.backends.codegen.compile.host", lambda: found)
    return found


@pytest.mark.parametrize("case", IMAGES)
@pytest.mark.parametrize("lanes", MACHINES)
def test_convolutions_of_bytes_are_exact_in_the_interpreter(case: str, lanes: str) -> None:
    graph = IMAGES[case].integers()
    array = fed(graph)
    for made, known in zip(interpreted(graph, array, MACHINES[lanes]), wanted(graph, array), strict=True):
        np.testing.assert_array_equal(made, known.reshape(-1))


@pytest.mark.parametrize("case", IMAGES)
def test_convolutions_of_bytes_are_exact(case: str) -> None:
    graph = IMAGES[case].integers()
    array = fed(graph)
    for made, known in zip(compile_graph(graph)(array), wanted(graph, array), strict=True):
        np.testing.assert_array_equal(made, known)


@pytest.mark.parametrize("case", ["windows", "signed", "three channels", "groups", "many"])
def test_four_products_are_summed_at_a_time(case: str) -> None:
    assert has_words(IMAGES[case].integers())


@pytest.mark.parametrize(
    ("case", "bias"), [("windows", "floats"), ("three channels", "steps"), ("depthwise", "steps"), ("many", "steps")]
)
def test_layers_between_dequantised_operands_are_within_a_step(case: str, bias: str, machine: Machine) -> None:
    graph = IMAGES[case].dequantized(bias=bias)
    array = fed(graph)
    made, known = compile_graph(graph)(array), wanted(graph, array)
    assert int(np.abs(made[0].astype(np.int32) - known[0].astype(np.int32)).max()) <= 1
    np.testing.assert_allclose(made[1], known[1], atol=0.0501)


@pytest.mark.parametrize("activated", [False, True])
@pytest.mark.parametrize("bias", ["floats", "steps", "none"])
def test_layers_that_are_quantised_again_are_scaled_once(bias: str, activated: bool) -> None:
    """Every other sum lies in the middle of two steps: scaled twice, many would be rounded to the other one."""
    making, x = Making(), Image(channels=16, window=(1, 1), padding=0).operand()
    step, scales = np.float32(0.1), making.rng.uniform(0.001, 0.01, 20).astype(np.float32)
    scales[:] = scales[0]
    array, zero = making.bytes_(I8, 20, 16, 1, 1), making.weight(np.asarray(100, np.uint8))
    array = (array // 16).astype(np.int8)
    steps = (1 << making.rng.integers(0, 7, 20)).astype(np.int32)  # whose products with a scale are exact
    real = dequantize(x, making.weight(step), zero, dtype=F32)
    weights = dequantize(making.weight(array), making.weight(scales), None, dtype=F32, axis=0)
    given = {
        "none": None,
        "floats": making.weight(steps.astype(np.float32) * (step * scales)),
        "steps": dequantize(making.weight(steps), making.weight(step * scales), None, dtype=F32, axis=0),
    }[bias]
    y = conv(real, weights, given, input_dilation=(1, 1), **Image(padding=0).words)  # type: ignore[arg-type]
    out = making.weight(np.float32(2) * (step * scales[0])), making.weight(np.asarray(90, np.uint8))
    graph = making.graph(x, quantize(relu(y) if activated else y, *out, dtype=U8))
    fed_with = fed(graph)
    sums = np.einsum("nchw,oc->nohw", fed_with.astype(np.int64) - 100, array[:, :, 0, 0].astype(np.int64))
    halves = (sums + (0 if given is None else steps[:, None, None])) / 2
    known = np.clip(np.rint(np.maximum(halves, 0) if activated else halves) + 90, 0, 255)
    assert (known % 255 > 0).mean() > 0.1
    np.testing.assert_array_equal(compile_graph(graph)(fed_with)[0], known)


def test_wide_vectors_without_products_of_bytes_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(host(), features=host().features.replace("+avx512vnni", "-avx512vnni"))
    monkeypatch.setattr("xir.backends.codegen.compile.host", lambda: found)
    graph = IMAGES["windows"].integers()
    array = fed(graph)
    np.testing.assert_array_equal(compile_graph(graph)(array)[0], wanted(graph, array)[0])


def test_exact_programs_keep_layers_in_floats() -> None:
    graph = IMAGES["windows"].dequantized()
    names = {node.op.name for node in expand(graph, exact=True).nodes}
    assert "conv" in names
    assert "conv_integer" not in names
    assert "conv_integer" in {node.op.name for node in expand(graph).nodes}


def products() -> dict[str, Graph]:
    """Matrix products of bytes, in all their forms."""
    made: dict[str, Graph] = {}
    for name, (x_type, w_type, rows, inner, columns, zero) in {
        "one row": (U8, I8, 1, 64, 100, 9),
        "rows": (U8, I8, 37, 128, 50, 0),
        "signed": (I8, I8, 5, 64, 33, -7),
        "odd": (U8, I8, 9, 30, 21, 200),
        "unsigned weights": (U8, U8, 6, 64, 40, 3),
    }.items():
        making, x = Making(), Value(TensorType(x_type, (rows, inner)))
        w = making.weight(making.bytes_(w_type, inner, columns))
        point = making.weight(np.asarray(zero, x_type.dtype))
        w_point = making.weight(np.full(columns, 120 if w_type is U8 else 0, w_type.dtype))
        total = matmul_integer(x, w, point, w_point)
        scales = making.weight(np.float32(0.01)), making.weight(np.full(columns, 0.003, np.float32))
        out = making.weight(np.float32(0.3)), making.weight(np.asarray(4, np.uint8))
        made[name] = making.graph(x, total, quantized_matmul(x, scales[0], point, w, scales[1], w_point, *out))
    return made


PRODUCTS = products()


@pytest.mark.parametrize("case", PRODUCTS)
def test_products_of_bytes_are_exact(case: str) -> None:
    graph = PRODUCTS[case]
    array = fed(graph)
    for made, known in zip(compile_graph(graph)(array), wanted(graph, array), strict=True):
        np.testing.assert_array_equal(made, known)


@pytest.mark.parametrize("case", PRODUCTS)
def test_products_of_bytes_are_exact_in_the_interpreter(case: str) -> None:
    graph = PRODUCTS[case]
    array = fed(graph)
    for made, known in zip(interpreted(graph, array, MACHINES["wide"]), wanted(graph, array), strict=True):
        np.testing.assert_array_equal(made, known.reshape(-1))


def test_a_quantised_convolution_is_exact(machine: Machine) -> None:
    making, x = Making(), Image().operand()
    w = making.weight(making.bytes_(I8, 20, 8, 3, 3))
    scales = making.weight(np.float32(0.02)), making.weight(making.rng.uniform(0.001, 0.01, 20).astype(np.float32))
    points = making.weight(np.asarray(90, np.uint8)), making.weight(np.zeros(20, np.int8))
    out = making.weight(np.float32(0.05)), making.weight(np.asarray(128, np.uint8))
    bias = making.weight(making.rng.integers(-9000, 9000, 20).astype(np.int32))
    y = quantized_conv(x, scales[0], points[0], w, scales[1], points[1], *out, bias, **Image().words)  # type: ignore[arg-type]
    graph = making.graph(x, y)
    array = fed(graph)
    np.testing.assert_array_equal(compile_graph(graph)(array)[0], wanted(graph, array)[0])


def test_dynamically_quantised_operands_have_zero_points_that_only_the_run_knows(machine: Machine) -> None:
    making, x = Making(), Value(TensorType(F32, (B, 12, 64)))
    narrow, _, point = dynamic_quantize(x)
    w = broadcast(making.weight(making.bytes_(I8, 64, 48)), shape=(B, 64, 48))
    graph = making.graph(x, matmul_integer(narrow, w, point, None))
    array = fed(graph)
    np.testing.assert_array_equal(compile_graph(graph)(array)[0], wanted(graph, array)[0])


@pytest.mark.parametrize("layer", ["gemm", "matmul"])
def test_dense_layers_between_dequantised_operands(layer: str, machine: Machine) -> None:
    making, x = Making(), Value(TensorType(U8, (6, 64)))
    real = dequantize(x, making.weight(np.float32(0.02)), making.weight(np.asarray(120, np.uint8)), dtype=F32)
    scales = making.rng.uniform(0.001, 0.01, 40).astype(np.float32)
    if layer == "gemm":
        w = dequantize(making.weight(making.bytes_(I8, 40, 64)), making.weight(scales), None, dtype=F32, axis=0)
        steps = making.weight(making.rng.integers(-900, 900, 40).astype(np.int32))
        c = dequantize(steps, making.weight(np.float32(0.02) * scales), None, dtype=F32, axis=0)
        wide = broadcast(c, shape=(6, 40))
        y = gemm(real, w, wide, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    else:
        w = dequantize(making.weight(making.bytes_(I8, 64, 40)), making.weight(scales), None, dtype=F32, axis=1)
        y = matmul(real, w)
    graph = making.graph(x, y)
    assert has_words(graph)
    array = fed(graph)
    made, known = compile_graph(graph)(array)[0], wanted(graph, array)[0]
    np.testing.assert_allclose(made, known, rtol=1e-5, atol=1e-5)


def packed_weights(rows: Dim, *, bits: int, block: int, turned: bool, points: str, real: DType = F32) -> Graph:
    """A product with constant weights of few bits that are dequantised, a number a block or a column."""
    making, inner, columns = Making(), 96, 75
    low, high = (-(1 << bits - 1), 1 << bits - 1) if points == "signed" else (0, 1 << bits)
    kind = {(4, True): DType.INT4, (8, True): I8, (4, False): DType.UINT4, (8, False): U8}[bits, points == "signed"]
    w = making.rng.integers(low, high, (columns, inner) if turned else (inner, columns)).astype(kind.dtype)
    axis = (1 if turned else 0) if block else (0 if turned else 1)
    blocks = inner // (block or inner)
    sizes = [columns, blocks] if turned else [blocks, columns]
    scale = making.rng.uniform(0.01, 0.1, sizes if block else columns).astype(real.dtype)
    held = making.rng.integers(low, high, scale.shape).astype(kind.dtype)
    zero = making.weight(held) if points == "points" else None
    weights = dequantize(making.weight(w), making.weight(scale), zero, dtype=real, axis=axis, block=block)
    x = Value(TensorType(real, (rows, inner)))
    return making.graph(x, relu(matmul(x, transpose(weights, perm=(1, 0)) if turned else weights)))


PACKED = {
    "one row": packed_weights(1, bits=4, block=32, turned=True, points="signed"),
    "zero points": packed_weights(1, bits=4, block=16, turned=False, points="points"),
    "bytes": packed_weights(3, bits=8, block=0, turned=False, points="signed"),
    "unsigned": packed_weights(1, bits=4, block=8, turned=True, points="none"),
    "many rows": packed_weights(21, bits=4, block=32, turned=True, points="points"),
    "rows that the run knows": packed_weights(B, bits=8, block=32, turned=True, points="points"),
}


@pytest.mark.parametrize("case", PACKED)
def test_packed_weights_are_widened_where_they_are_read(case: str, machine: Machine) -> None:
    graph = PACKED[case]
    lowered = lower(expand(graph), machine)
    assert not lowered.hosted
    assert (F32, (96, 75)) not in {(slot.dtype, slot.shape) for slot in lowered.slots}
    array = fed(graph)
    np.testing.assert_allclose(compile_graph(graph)(array)[0], wanted(graph, array)[0], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", ["one row", "zero points", "bytes"])
@pytest.mark.parametrize("lanes", MACHINES)
def test_packed_weights_in_the_interpreter(case: str, lanes: str) -> None:
    graph = PACKED[case]
    array = fed(graph)
    (made,) = interpreted(graph, array, MACHINES[lanes])
    np.testing.assert_allclose(made, wanted(graph, array)[0].reshape(-1), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("side", ["begin", "end"])
@pytest.mark.parametrize("graph", [IMAGES["three channels"].integers(), PRODUCTS["odd"], PACKED["zero points"]])
def test_low_precision_stays_inside_its_buffers(graph: Graph, side: Side) -> None:
    array = fed(graph)
    made = list(guarded_run(compile_graph(graph), {"x": array}, side).values())
    np.testing.assert_allclose(made[0], wanted(graph, array)[0], rtol=2e-5, atol=2e-5)  # type: ignore[arg-type]


def test_packed_weights_of_halves_are_within_their_rounding() -> None:
    graph = packed_weights(1, bits=4, block=32, turned=True, points="signed", real=DType.FLOAT16)
    array = fed(graph)
    made, known = (each.astype(np.float32) for each in (compile_graph(graph)(array)[0], wanted(graph, array)[0]))
    np.testing.assert_allclose(made, known, rtol=4e-3, atol=2e-2)


HALVES = {
    "windows": (DType.FLOAT16, 1, (9, 11), (3, 3)),
    "pixels": (DType.BFLOAT16, 1, (5, 7), (1, 1)),
    "depthwise": (DType.FLOAT16, 12, (7, 9), (3, 3)),
}


@pytest.mark.parametrize("case", [*HALVES, "product"])
def test_weights_of_halves_stay_halves(case: str, machine: Machine) -> None:
    making = Making()
    if case == "product":
        real, x = DType.FLOAT16, Value(TensorType(DType.FLOAT16, (B, 40)))
        w = making.weight(making.rng.standard_normal((40, 70)).astype(np.float16))
        made: tuple[Value, ...] = (relu(matmul(x, w)), matmul(x, w))
    else:
        real, groups, image, window = HALVES[case]
        x = Value(TensorType(real, (1, 12, *image)))
        words: dict[str, object] = {"strides": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": groups}
        arrays = [making.rng.standard_normal((12, 12 // groups, *window)).astype(real.dtype) for _ in range(2)]
        first = relu(conv(x, making.weight(arrays[0]), input_dilation=(1, 1), **words))  # type: ignore[arg-type]
        made = (conv(first, making.weight(arrays[1]), input_dilation=(1, 1), **words), first)  # type: ignore[arg-type]
    graph = making.graph(x, *made)
    kept = {slot: held.type.dtype for slot, held in lower(expand(graph), machine).constants.items()}
    assert F32 not in {dtype for slot, dtype in kept.items() if dtype is not real and slot > len(graph.parameters)}
    array = fed(graph)
    for found, known in zip(compile_graph(graph)(array), wanted(graph, array), strict=True):
        one = np.float32(2.0 ** (-10 if real is DType.FLOAT16 else -7))
        difference = np.abs(found.astype(np.float32) - known.astype(np.float32))
        assert float(difference.max()) <= one * float(np.abs(known.astype(np.float32)).max())
