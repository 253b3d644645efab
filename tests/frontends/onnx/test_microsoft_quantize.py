"""Quantised and fused operators of onnxruntime's own set, against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import xir
from tests.frontends.onnx.models import saved
from xir.errors import XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.reference import run


@dataclass(frozen=True)
class Own:
    """A node of com.microsoft.

    Attributes:
        kind: its op_type.
        inputs: an array each, None where absent.
        attributes: its attributes.
        steps: by how many steps of a quantised result onnxruntime may differ.
        note: for the test's name.
    """

    kind: str
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    steps: int = 1
    note: str = ""

    def __str__(self) -> str:
        """Operator and note."""
        return f"{self.kind} {self.note}".strip()

    @property
    def feeds(self) -> dict[str, Array]:
        return {f"x{index}": np.asarray(array) for index, array in enumerate(self.inputs) if array is not None}

    def model(self) -> onnx.ModelProto:
        names = ["" if array is None else f"x{index}" for index, array in enumerate(self.inputs)]
        node = helper.make_node(self.kind, names, ["y"], name="node", domain="com.microsoft", **self.attributes)
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in self.feeds.items()
        ]
        graph = helper.make_graph([node], "made", given, [onnx.ValueInfoProto(name="y")])
        sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=sets, ir_version=10)


def drawn(dtype: type, *shape: int, seed: int = 0, low: int | None = None, high: int | None = None) -> Array:
    limits = np.iinfo(dtype)
    least, most = limits.min if low is None else low, limits.max + 1 if high is None else high
    return np.random.default_rng([seed, *shape]).integers(least, most, shape).astype(dtype)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def f32(value: float) -> Array:
    return np.asarray(value, np.float32)


def u8(value: int) -> Array:
    return np.asarray(value, np.uint8)


def i8(value: int) -> Array:
    return np.asarray(value, np.int8)


X = (drawn(np.uint8, 2, 3, 4), f32(0.02), u8(120))
Y = (drawn(np.uint8, 3, 1, seed=1), f32(0.03), u8(100))
TO = (f32(0.05), u8(110))
IMAGE = (drawn(np.uint8, 1, 2, 6, 7), f32(0.02), u8(120))
SIGNED = (drawn(np.int8, 2, 3, 4), f32(0.02), i8(-5), f32(0.04), i8(3))


def element_wise() -> Iterator[Own]:
    yield Own("QuantizeLinear", (normal(2, 3), f32(0.02), np.asarray(30000, np.uint16)), note="16 bits")
    yield Own("QuantizeLinear", (normal(2, 3), f32(0.02), u8(100)))
    scales = np.array([0.01, 0.02, 0.03], np.float32)
    yield Own("QuantizeLinear", (normal(2, 3), scales, drawn(np.int8, 3)), {"axis": 1}, note="by axis")
    yield Own("DequantizeLinear", (drawn(np.int16, 2, 3), f32(0.02), np.asarray(-7, np.int16)))
    yield Own("DequantizeLinear", (drawn(np.int8, 2, 3), scales, drawn(np.int8, 3)), {"axis": -1}, note="by axis")
    for kind in ("QLinearAdd", "QLinearMul"):
        yield Own(kind, (*X, *Y, *TO), note="repeated")
        yield Own(kind, (SIGNED[0], f32(0.02), i8(0), SIGNED[0][:1], f32(0.1), i8(7), *SIGNED[3:]), note="signed")
    yield Own("QLinearSigmoid", (*X, f32(1 / 256), u8(0)))
    yield Own("QLinearSigmoid", (*SIGNED[:3], f32(1 / 256), i8(-128)), note="signed")
    yield Own("QLinearLeakyRelu", (*X, *TO))
    yield Own("QLinearLeakyRelu", SIGNED, {"alpha": 0.2}, note="alpha")
    for opset in (11, 13):
        yield Own("QLinearSoftmax", (*X, f32(1 / 256), u8(0)), {"axis": 1, "opset": opset}, note=str(opset))
    parts = (*X, drawn(np.uint8, 2, 1, 4, seed=3), f32(0.04), u8(90))
    yield Own("QLinearConcat", (*TO, *parts), {"axis": 1})
    condition = np.array([True, False, True, True])
    yield Own("QLinearWhere", (condition, *X, *Y, *TO))


def pooled() -> Iterator[Own]:
    words = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}
    yield Own("QLinearAveragePool", (*IMAGE, *TO), words)
    yield Own("QLinearAveragePool", (*IMAGE, *TO), {**words, "count_include_pad": 1}, note="padding counts")
    last = (drawn(np.uint8, 1, 6, 7, 2), *IMAGE[1:])
    yield Own("QLinearAveragePool", (*last, *TO), {**words, "channels_last": 1}, note="channels last")
    yield Own("QLinearGlobalAveragePool", (*IMAGE, *TO))
    yield Own("QLinearGlobalAveragePool", (*last, *TO), {"channels_last": 1}, note="channels last")


def products() -> Iterator[Own]:
    a, b = (drawn(np.uint8, 3, 4), f32(0.02), u8(120)), (drawn(np.int8, 4, 5), f32(0.01), i8(0))
    bias = np.array([100, -200, 3, 4, 5], np.int32)
    yield Own("QGemm", (*a, *b, bias, f32(0.05), u8(110)))
    yield Own("QGemm", (*a, *b), note="real")
    turned = (drawn(np.uint8, 4, 3), *a[1:]), (drawn(np.int8, 5, 4), *b[1:])
    words = {"transA": 1, "transB": 1, "alpha": 0.5}
    yield Own("QGemm", (*turned[0], *turned[1], bias, f32(0.05), u8(110)), words, note="turned")
    scales = np.abs(normal(5)) / 50
    yield Own("MatMulIntegerToFloat", (a[0], b[0], a[1], scales, a[2], drawn(np.int8, 5, low=-3, high=3), normal(5)))
    yield Own("MatMulIntegerToFloat", (a[0], b[0], a[1], b[1]), note="no zero points")
    yield Own("DynamicQuantizeMatMul", (normal(2, 3, 4), b[0], b[1], b[2], normal(5)))
    yield Own("DynamicQuantizeMatMul", (normal(3, 4), b[0], scales), note="by column")


def fused() -> Iterator[Own]:
    image, weights, bias = normal(1, 2, 6, 7), normal(3, 2, 3, 2, seed=1), normal(3)
    words: dict[str, object] = {"pads": [1, 0, 1, 1], "strides": [2, 1]}
    activations = {"Relu": [], "Tanh": [], "Sigmoid": [], "LeakyRelu": [0.1], "Clip": [-0.5, 0.7]}
    for name, parameters in {**activations, "HardSigmoid": [0.3, 0.4]}.items():
        given = {**words, "activation": name, **({"activation_params": parameters} if parameters else {})}
        yield Own("FusedConv", (image, weights, bias), given, note=name)
    yield Own("FusedConv", (image, weights, bias, normal(1, 3, 3, 7)), {**words, "activation": "Relu"}, note="addend")
    for name, alpha in (("Relu", None), ("LeakyRelu", 0.1), ("Elu", 0.7), ("Tanh", None)):
        given = {"activation": name, "transB": 1, **({} if alpha is None else {"activation_alpha": alpha})}
        yield Own("FusedGemm", (normal(3, 4), normal(5, 4, seed=1), normal(5)), given, note=name)
    a, b = normal(2, 3, 4, 5), normal(2, 3, 5, 6, seed=1)
    yield Own("FusedMatMul", (a, b), {"alpha": 0.5})
    swapped = np.ascontiguousarray(np.swapaxes(b, 2, 3))
    yield Own("FusedMatMul", (a, swapped), {"transB": 1}, note="turned")
    moved = np.ascontiguousarray(np.transpose(a, (2, 0, 1, 3)))
    yield Own("FusedMatMul", (moved, b), {"transBatchA": 1}, note="batch behind")
    both = np.ascontiguousarray(np.transpose(b, (3, 0, 1, 2)))
    yield Own("FusedMatMul", (a, both), {"transBatchB": 1, "transB": 1}, note="batch behind and turned")


def few_bits() -> Iterator[Own]:
    for bits, block, columns in ((4, 16, 32), (4, 32, 40), (8, 16, 32), (2, 16, 32)):
        count = -(-columns // block)
        packed = drawn(np.uint8, 5, count, block * bits // 8)
        scales = np.abs(normal(5, count)) / 10
        words: dict[str, object] = {"K": columns, "N": 5, "bits": bits, "block_size": block}
        a = normal(2, 3, columns)
        yield Own("MatMulNBits", (a, packed, scales.reshape(-1)), words, note=f"{bits} bits, {columns} in {block}")
        points = drawn(np.uint8, 5 * -(-count * bits // 8))
        yield Own("MatMulNBits", (a, packed, scales, points.reshape(5, -1)), words, note=f"{bits} bits, zero points")
    words = {"K": 32, "N": 5, "bits": 4, "block_size": 16}
    inputs = (normal(3, 32), drawn(np.uint8, 5, 2, 8), np.abs(normal(5, 2)), normal(5, 2, seed=9), None, normal(5))
    yield Own("MatMulNBits", inputs, words, note="real zero points and a bias")


CASES = (*element_wise(), *pooled(), *products(), *fused(), *few_bits())


def by_onnxruntime(path: Path, feeds: dict[str, Array]) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def assert_near(have: Array, want: Array, steps: int) -> None:
    assert have.dtype == want.dtype
    assert have.shape == want.shape
    if want.dtype.kind in "iu":
        assert np.abs(have.astype(np.int64) - want.astype(np.int64)).max() <= steps
    else:
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("own", CASES, ids=str)
def test_it_computes_what_onnxruntime_computes(own: Own, tmp_path: Path) -> None:
    path = saved(own.model(), tmp_path)
    graph = import_onnx(path)
    (have,) = run(graph, own.feeds).values()
    want = by_onnxruntime(path, own.feeds)
    assert_near(have, want, own.steps)


@pytest.mark.parametrize("own", CASES, ids=str)
def test_it_is_written_in_onnx_own_operators(own: Own, tmp_path: Path) -> None:
    graph = import_onnx(saved(own.model(), tmp_path))
    xir.export(graph, tmp_path / "out.onnx", target="ort==1.31")
    (want,) = run(graph, own.feeds).values()
    assert_near(by_onnxruntime(tmp_path / "out.onnx", own.feeds), want, own.steps)
    assert {node.domain for node in onnx.load(tmp_path / "out.onnx").graph.node} <= {"", "ai.onnx"}


@pytest.mark.parametrize(("axes", "keep"), [([-1], 1), ([0, 2], 0)])
def test_means_are_those_of_the_real_numbers(axes: list[int], keep: int, tmp_path: Path) -> None:
    """Onnxruntime's CPU has no QLinearReduceMean."""
    own = Own("QLinearReduceMean", (*X, *TO), {"axes": axes, "keepdims": keep})
    (have,) = run(import_onnx(saved(own.model(), tmp_path)), own.feeds).values()
    real = (X[0].astype(np.float64) - 120) * 0.02
    mean = real.mean(axis=tuple(axes), keepdims=bool(keep))
    assert_near(have, np.clip(np.rint(mean / 0.05) + 110, 0, 255).astype(np.uint8), 1)


@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_recurrent_weights_of_8_bits(direction: str, by_column: bool, tmp_path: Path) -> None:
    """What flows in is rounded to 8 bits of its range too in onnxruntime: a hundredth of results up to 1."""
    ways, size, hidden = 2 if direction == "bidirectional" else 1, 6, 4
    scale = np.full((ways, 4 * hidden) if by_column else (ways,), 0.004, np.float32)
    zero = np.zeros(scale.shape, np.int8)
    w, r = drawn(np.int8, ways, size, 4 * hidden), drawn(np.int8, ways, hidden, 4 * hidden)
    own = Own(
        "DynamicQuantizeLSTM",
        (normal(5, 2, size), w, r, normal(ways, 8 * hidden), None, None, None, None, scale, zero, scale, zero),
        {"hidden_size": hidden, "direction": direction},
    )
    path = saved(own.model(), tmp_path)
    (have,) = run(import_onnx(path), own.feeds).values()
    np.testing.assert_allclose(have.astype(np.float64), by_onnxruntime(path, own.feeds).astype(np.float64), atol=0.03)


def test_zero_points_may_be_absent(tmp_path: Path) -> None:
    """Onnxruntime refuses what its own text makes optional."""
    own = Own("QLinearAdd", (X[0], X[1], None, Y[0], Y[1], None, TO[0]))
    (have,) = run(import_onnx(saved(own.model(), tmp_path)), own.feeds).values()
    total = X[0].astype(np.float64) * 0.02 + Y[0].astype(np.float64) * 0.03
    assert_near(have, np.clip(np.rint(total / 0.05), 0, 255).astype(np.uint8), 1)


def test_weights_of_few_bits_stay_in_few_bits(tmp_path: Path) -> None:
    own = next(each for each in CASES if each.note == "4 bits, 32 in 16")
    made = own.model()
    for name in ("x1", "x2"):
        made.graph.initializer.append(onnx.numpy_helper.from_array(own.feeds[name], name))
    kept = [each for each in made.graph.input if each.name == "x0"]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    graph = xir.optimize(import_onnx(saved(made, tmp_path)))
    assert DType.INT4 in {parameter.value.dtype for parameter in graph.parameters}
    assert [node.op.name for node in graph.nodes].count("dequantize") == 1


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Own("FusedConv", (normal(1, 2, 4), normal(3, 2, 2)), {"activation": "Swish"}), "the activation 'Swish'"),
        (Own("FusedConv", (normal(1, 2, 4), normal(3, 2, 2)), {"activation": "Clip"}), "Clip needs 2 parameters"),
        (Own("QLinearAdd", X), "the second operand and the scales"),
        (Own("QLinearSigmoid", X), "the scale of the result"),
        (
            Own("DynamicQuantizeLSTM", (normal(5, 2, 6), drawn(np.int8, 1, 6, 16), drawn(np.int8, 1, 4, 16))),
            "the scales of the weights",
        ),
        (Own("QLinearConcat", (*TO, X[0]), {"axis": 1}), "parts come with scale and zero point"),
        (
            Own("MatMulNBits", (normal(2, 8), drawn(np.uint8, 5, 1, 8), normal(5)), {"K": 8, "N": 5, "block_size": 0}),
            "must be positive",
        ),
        (
            Own(
                "MatMulNBits",
                (normal(2, 8), drawn(np.uint8, 5, 1, 8), normal(5)),
                {"K": 8, "N": 5, "block_size": 16, "bits": 3},
            ),
            "weights of 3 bits",
        ),
        (
            Own(
                "MatMulNBits",
                (normal(2, 16), drawn(np.uint8, 5, 1, 8), normal(5), None, drawn(np.int32, 16, low=0, high=1)),
                {"K": 16, "N": 5, "block_size": 16},
            ),
            "g_idx",
        ),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(own: Own, message: str, tmp_path: Path) -> None:
    with pytest.raises(XirError, match=message):
        import_onnx(saved(own.model(), tmp_path))
