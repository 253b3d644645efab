"""Quantised models, in every mode."""

import collections

import numpy as np
import pytest

import xir
from tests.precision.models import OPS, Model, convolution, net, nodes, random, samples
from xir.errors import UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ir.verify import verify
from xir.ops.elementwise import add
from xir.ops.matmul import gemm, matmul
from xir.ops.shape import broadcast, transpose
from xir.precision import Quantization, quantize

I8, I32, U8 = DType.INT8, DType.INT32, DType.UINT8


def share(graph: Graph, made: Graph, feeds: dict[str, np.ndarray]) -> float:
    """The largest relative error of the outputs."""
    pairs = zip(xir.run(graph, feeds).values(), xir.run(made, feeds).values(), strict=True)
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


@pytest.mark.parametrize("method", ["mse", "minmax", "percentile", "entropy"])
@pytest.mark.parametrize("words", [{}, {"symmetric": True}, {"per_channel": False}])
def test_static_models_compute_nearly_the_same(method, words):
    graph = net()
    result = quantize(graph, samples(), method=method, **words)
    verify(result.graph)
    # Entropy cuts ranges on so few numbers: what is left out is seldom.
    assert share(graph, result.graph, samples(5)[4]) < (0.4 if method == "entropy" else 0.1)
    assert result.report.quantized == (2 if method == "entropy" else 3)
    assert result.report.bytes_after < result.report.bytes_before * (0.8 if method == "entropy" else 0.35)


def test_static_weights_activations_and_biases_have_their_types():
    made = quantize(net(), samples()).graph
    verify(made)
    kinds = collections.Counter(p.constant.dtype for p in made.parameters)
    assert kinds[I32] == 3
    assert {node.outputs[0].dtype for node in nodes(made, "quantize")} == {U8}
    assert quantized_types(quantize(net(), samples(), symmetric=True).graph) == {I8}


def quantized_types(graph: Graph) -> set[DType]:
    return {node.outputs[0].dtype for node in nodes(graph, "quantize")}


def scale_behind(graph: Graph, value: Value | None) -> np.ndarray:
    """The scale with which a value became float again."""
    node = None if value is None else value.node
    scale = None if node is None else node.inputs[1]
    held = None if scale is None else graph.constant_of(scale)
    if held is None:
        raise AssertionError(f"{value} was no integer")
    return held.array()


def test_a_bias_has_the_product_of_the_scales():
    made = quantize(net(), samples(), settings=Quantization(correct_bias=False)).graph
    for node in nodes(made, "conv"):
        x, w, b = node.inputs
        scales = [scale_behind(made, value) for value in (x, w, b)]
        np.testing.assert_allclose(scales[2], scales[0] * scales[1], rtol=1e-6)


def test_a_relu_is_inside_the_integers():
    made = quantize(net(), samples()).graph
    first = nodes(made, "conv")[0]
    readers = [node.op.name for node in made.nodes if first.outputs[0] in node.inputs]
    assert readers == ["relu"]


def scale_after(graph: Graph, node: Node) -> np.ndarray:
    """The scale with which the result of a node becomes an integer."""
    (reader,) = [each for each in nodes(graph, "quantize") if node.outputs[0] in each.inputs]
    return scale_behind(graph, reader.outputs[0])


def test_a_pool_keeps_the_scale_of_its_operand():
    made = quantize(net(), samples()).graph
    pool = nodes(made, "max_pool")[0]
    assert scale_behind(made, pool.inputs[0]) == scale_after(made, pool)


def test_a_product_and_its_bias_become_a_gemm():
    made = quantize(net(), samples()).graph
    assert not nodes(made, "matmul")
    assert len(nodes(made, "gemm")) == 1


@pytest.mark.parametrize("words", [{}, {"per_channel": False}])
def test_onnxruntime_fuses_static_models(tmp_path, words):
    runtime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    made = quantize(net(), samples(), **words).graph
    xir.export(made, tmp_path / "m.onnx", target="ort==1.31")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), options)
    fused = onnx.load_model(tmp_path / "fused.onnx")
    kinds = collections.Counter(node.op_type for node in fused.graph.node)
    assert (kinds["QLinearConv"], kinds["QGemm"], kinds["QLinearAdd"]) == (2, 1, 1)
    (feeds,) = samples(1)
    expected = list(xir.run(made, feeds).values())
    found = session.run(None, feeds)
    assert np.linalg.norm(found[0] - expected[0]) < 0.05 * np.linalg.norm(expected[0])


@pytest.mark.parametrize("words", [{"mode": "dynamic"}, {"mode": "weights"}, {"mode": "weights", "weights": "int4"}])
def test_the_other_modes_run_in_onnxruntime(tmp_path, words):
    runtime = pytest.importorskip("onnxruntime")
    graph = net()
    made = quantize(graph, samples(), **words).graph
    verify(made)
    xir.export(made, tmp_path / "m.onnx", target="ort==1.31")
    (feeds,) = samples(1)
    found = runtime.InferenceSession(str(tmp_path / "m.onnx")).run(None, feeds)
    np.testing.assert_allclose(found[0], xir.run(made, feeds)["scores"], atol=2e-2, rtol=1e-2)
    assert share(graph, made, feeds) < (0.3 if "weights" in words else 0.1)


def test_dynamic_products_are_integers():
    result = quantize(net(), samples(), mode="dynamic")
    assert len(nodes(result.graph, "matmul_integer")) == 1
    reasons = [layer.reason for layer in result.report.layers]
    assert reasons.count("this mode leaves it in float") == 2


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("transpose_b", [True, False])
@pytest.mark.parametrize("with_c", [True, False])
def test_dynamic_gemms(per_channel, transpose_b, with_c):
    model = Model()
    x = model.input("x", 3, 32)
    w = model.weight("w", random(*((16, 32) if transpose_b else (32, 16))))
    c = broadcast(model.weight("c", random(16)), shape=(3, 16)) if with_c else None
    y = gemm(x, w, c, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=transpose_b)
    graph = model.graph(y=y)
    made = quantize(graph, mode="dynamic", per_channel=per_channel).graph
    verify(made)
    assert len(nodes(made, "matmul_integer")) == 1
    assert share(graph, made, {"x": random(3, 32)}) < 0.03


@pytest.mark.parametrize("words", [{"alpha": 2.0}, {"transpose_a": True}, {"beta": 0.5}])
def test_gemms_with_factors_stay_in_float(words):
    model = Model()
    x = model.input("x", 32, 32)
    w = model.weight("w", random(32, 32))
    c = broadcast(model.weight("c", random(32)), shape=(32, 32))
    attributes = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False, **words}
    report = quantize(model.graph(y=gemm(x, w, c, **attributes)), mode="dynamic").report
    assert report.quantized == 0
    assert "nothing was quantised" in report.notes


@pytest.mark.parametrize("mode", ["static", "dynamic", "weights"])
def test_products_of_three_axes(mode):
    batch = Symbol("N")
    model = Model()
    x = model.input("x", batch, 5, 32)
    w = broadcast(model.weight("w", random(32, 16)), shape=(batch, 32, 16))
    graph = model.graph(y=matmul(x, w))
    made = quantize(graph, [{"x": random(2, 5, 32)}], mode=mode)
    verify(made.graph)
    assert made.report.quantized == 1
    assert share(graph, made.graph, {"x": random(3, 5, 32, seed=4)}) < 0.05


def test_a_weight_with_a_batch_of_1_is_a_matrix():
    model = Model()
    x = model.input("x", 1, 5, 32)
    graph = model.graph(y=matmul(x, model.weight("w", random(1, 32, 16))))
    made = quantize(graph, [{"x": random(1, 5, 32)}])
    assert made.report.quantized == 1
    assert share(graph, made.graph, {"x": random(1, 5, 32, seed=4)}) < 0.05


@pytest.mark.parametrize("mode", ["dynamic", "weights"])
def test_recurrent_weights_are_stored_as_integers(mode):
    model = Model()
    x = model.input("x", 3, 2, 16)
    w, r = model.weight("w", random(1, 32, 16)), model.weight("r", random(1, 32, 8))
    functions = tuple((name, 0.0, 0.0) for name in ("sigmoid", "tanh", "tanh"))
    graph = model.graph(y=OPS["lstm"](x, w, r, direction="forward", functions=functions, clip=None, coupled=False)[0])
    made = quantize(graph, mode=mode)
    verify(made.graph)
    assert made.report.quantized == 1
    assert made.report.bytes_after < made.report.bytes_before * 0.4


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_alone_of_convolutions_and_rows(weights, per_channel):
    model = Model()
    x = model.input("x", 1, 32, 6, 6)
    up = OPS["conv_transpose"]
    y = convolution(model, x, "conv", 32)
    i = model.input("i", 3, dtype=DType.INT64)
    rows = OPS["gather"](model.weight("rows", random(40, 64)), i, axis=0)
    columns = OPS["gather"](model.weight("columns", random(40, 64)), i, axis=1)
    w = model.weight("up.w", random(32, 16, 2, 2))
    z = up(y, w, None, strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, output_padding=(0, 0))
    graph = model.graph(z=z, rows=rows, columns=columns)
    settings = Quantization("weights", weights, per_channel, max_error=0.9)
    made = quantize(graph, settings=settings)
    verify(made.graph)
    assert [layer.quantized for layer in made.report.layers].count(False) == 1
    feeds = {"x": random(1, 32, 6, 6), "i": np.array([1, 0, 39], np.int64)}
    assert share(graph, made.graph, feeds) < (0.25 if weights == "int4" else 0.05)


@pytest.mark.parametrize("transpose_b", [True, False])
def test_blocks_lie_along_what_is_summed(transpose_b):
    model = Model()
    x = model.input("x", 3, 64)
    w = model.weight("w", random(*((16, 64) if transpose_b else (64, 16))))
    graph = model.graph(y=gemm(x, w, None, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=transpose_b))
    made = quantize(graph, settings=Quantization("weights", block=16)).graph
    (scale,) = [p for p in made.parameters if made.names[p.value] == "w_scale"]
    assert scale.constant.shape == ((16, 4) if transpose_b else (4, 16))


def test_bodies_become_narrow_too():
    inner = Model()
    a = inner.input("a", 4, 32)
    w = inner.weight("w", random(32, 32))
    other = Model()
    b = other.input("b", 4, 32)
    model = Model()
    condition, x = model.input("c", dtype=DType.BOOL), model.input("x", 4, 32)
    bodies = {"then_body": inner.graph(y=matmul(a, w)), "else_body": other.graph(y=add(b, b))}
    graph = model.graph(y=OPS["if"](condition, x, **bodies)[0])
    made = quantize(graph, mode="weights").graph
    verify(made)
    body = nodes(made, "if")[0].attributes["then_body"]
    assert isinstance(body, Graph)
    assert {p.constant.dtype for p in body.parameters} >= {I8}


def test_inexact_layers_stay_in_float_and_are_named():
    model = Model()
    x = model.input("x", 1, 3, 8, 8)
    w = random(4, 3, 3, 3)
    y = convolution(model, x, "conv", 4)
    model.parameters[0] = type(model.parameters[0])(
        model.parameters[0].value, type(model.parameters[0].constant)(model.parameters[0].constant.type, w * 0), True
    )
    graph = model.graph(y=convolution(model, OPS["relu"](y), "second", 4, seed=3))
    report = quantize(graph, [{"x": random(1, 3, 8, 8)}], max_error=1e-4).report
    assert report.quantized < 2
    assert any("stays in float" in note for note in report.notes)
    left = [layer for layer in report.layers if not layer.quantized]
    assert left
    assert left[0].own is not None


@pytest.mark.parametrize("mode", ["static", "dynamic", "weights"])
def test_excluded_layers_stay_in_float(mode):
    result = quantize(net(), samples(), mode=mode, exclude=("conv2", "fc"))
    held = {layer.name: layer for layer in result.report.layers}
    assert held["conv2"].reason == "asked for"
    assert not held["conv2"].quantized
    assert [node.op.name for node in nodes(result.graph, "dequantize")] or mode == "dynamic"


@pytest.mark.parametrize(
    "words",
    [
        {"mode": "nonsense"},
        {"method": "nonsense"},
        {"weights": "int2"},
        {"weights": "int4"},
        {"exclude": ("nonsense",)},
        {"max_error": 0.0},
    ],
)
def test_contradictions_are_refused(words):
    with pytest.raises(UsageError):
        quantize(net(), samples(), **words)


@pytest.mark.parametrize(
    "words", [{"block": 8}, {"block": 24}, {"percentile": 20.0}, {"block": 32, "mode": "static"}, {"block": -16}]
)
def test_odd_settings_are_refused(words):
    with pytest.raises(UsageError):
        Quantization(**{"mode": "weights", **words})


def test_results_that_are_no_tensors_have_no_error():
    model = Model()
    x = model.input("x", 2, 32)
    y = matmul(x, model.weight("w", random(32, 16)))
    report = quantize(model.graph(y=y, all=OPS["sequence_construct"](y)), [{"x": random(2, 32)}]).report
    assert [each.name for each in report.outputs] == ["y"]


def test_made_up_samples_are_told():
    report = quantize(net()).report
    assert report.made_up
    assert "made up" in report.notes[0]
    assert report.samples == 4
    assert report.to_dict()["made_up"] is True


def test_the_report_is_plain_data():
    import json

    report = quantize(net(), samples()).report
    document = report.to_dict()
    json.dumps(document)
    assert [output.name for output in report.outputs] == ["scores", "prob"]
    assert all(output.sqnr > 20 for output in report.outputs)
    assert all(layer.own is not None and layer.total is not None for layer in report.layers)


def test_biases_take_the_mean_shift_back():
    graph = net()
    plain = quantize(graph, samples(), settings=Quantization(correct_bias=False, per_channel=False))
    corrected = quantize(graph, samples(), settings=Quantization(per_channel=False))

    def shift(made: Graph) -> float:
        gaps = [xir.run(graph, each)["scores"] - xir.run(made, each)["scores"] for each in samples()]
        return float(np.abs(np.mean(gaps, axis=(0, 1))).sum())

    assert shift(corrected.graph) < shift(plain.graph)


def test_the_bias_of_a_dead_channel_fits_into_32_bits():
    model = Model()
    x = model.input("x", 1, 1, 4, 4)
    w = model.weight("w", np.array([1e-9, 1.0], np.float32).reshape(2, 1, 1, 1))
    b = model.weight("b", np.array([5.0, 1.0], np.float32))
    plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "input_dilation": (1, 1), "groups": 1}
    graph = model.graph(y=OPS["relu"](OPS["conv"](x, w, b, **plain)))
    made = quantize(graph, [{"x": random(1, 1, 4, 4)}]).graph
    assert share(graph, made, {"x": random(1, 1, 4, 4)}) < 0.02


def test_sums_of_what_is_no_integer_stay():
    model = Model()
    x = model.input("x", 1, 3, 8, 8)
    y = OPS["sigmoid"](convolution(model, x, "conv", 3))
    graph = model.graph(y=add(transpose(y, perm=(0, 1, 3, 2)), y))
    made = quantize(graph, [{"x": random(1, 3, 8, 8)}]).graph
    total = nodes(made, "add")[0]
    assert all(
        value is not None and value.node is not None and value.node.op.name != "dequantize" for value in total.inputs
    )


def test_what_is_moved_between_layers_keeps_its_scale():
    model = Model()
    x = model.input("x", 1, 4, 8, 8)
    first = OPS["relu"](convolution(model, x, "conv1", 4))
    turned = transpose(first, perm=(0, 1, 3, 2))
    graph = model.graph(y=OPS["tanh"](convolution(model, turned, "conv2", 4, seed=3)))
    made = quantize(graph, [{"x": random(1, 4, 8, 8)}]).graph
    verify(made)
    turn = nodes(made, "transpose")[0]
    assert scale_behind(made, turn.inputs[0]) == scale_after(made, turn)


@pytest.mark.parametrize("mode", ["dynamic", "weights"])
def test_inexact_weights_stay_in_float(mode):
    report = quantize(net(), samples(), mode=mode, max_error=1e-6).report
    assert report.quantized == 0
    assert any("beyond the limit" in note for note in report.notes)


def test_a_bias_of_another_form_stays_in_float():
    model = Model()
    x, c = model.input("x", 2, 32), model.input("c", 2, 16)
    y = gemm(x, model.weight("w", random(32, 16)), c, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
    graph = model.graph(y=y)
    feeds = {"x": random(2, 32), "c": random(2, 16)}
    made = quantize(graph, [feeds])
    verify(made.graph)
    assert made.report.quantized == 1
    assert nodes(made.graph, "gemm")[0].inputs[2] is made.graph.inputs[1]
    assert share(graph, made.graph, feeds) < 0.05


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("written", ["vector", "row"])
def test_the_bias_of_a_product_may_be_written_as_a_row(written, rows):
    model = Model()
    x = model.input("x", rows, 32)
    b = model.weight("b", random(*((1, 16) if written == "row" else (16,)), seed=3))
    c = b if b.shape == (rows, 16) else broadcast(b, shape=(rows, 16))
    y = gemm(x, model.weight("w", random(32, 16)), c, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
    graph = model.graph(y=y)
    feeds = {"x": random(rows, 32)}
    made = quantize(graph, [feeds]).graph
    verify(made)
    assert any(p.constant.dtype is DType.INT32 and p.constant.shape == (16,) for p in made.parameters)
    assert share(graph, made, feeds) < 0.05


@pytest.mark.parametrize("shape", [(16,), (1, 16)])
def test_a_sum_with_a_row_becomes_a_gemm(shape):
    model = Model()
    x = model.input("x", 2, 32)
    b = model.weight("b", random(*shape, seed=3))
    y = add(matmul(x, model.weight("w", random(32, 16))), broadcast(b, shape=(2, 16)))
    assert len(nodes(quantize(model.graph(y=y), [{"x": random(2, 32)}]).graph, "gemm")) == 1


def test_onnxruntime_fuses_i8_operands_where_it_is_told_to(tmp_path):
    """i8 around 0 is what TensorRT takes; onnxruntime fuses it on Arm, or with this option."""
    runtime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    model = Model()
    x = model.input("x", 1, 3, 8, 8)
    y = OPS["max_pool"](
        convolution(model, x, "conv", 4), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)
    )
    made = quantize(model.graph(y=y), [{"x": random(1, 3, 8, 8)}], symmetric=True).graph
    xir.export(made, tmp_path / "m.onnx", target="ort==1.31")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    runtime.InferenceSession(str(tmp_path / "m.onnx"), options)
    assert "QLinearConv" in {node.op_type for node in onnx.load_model(tmp_path / "fused.onnx").graph.node}


def test_a_layer_without_a_bias_gets_one_that_corrects_it():
    model = Model()
    x = model.input("x", 1, 3, 8, 8)
    plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "input_dilation": (1, 1), "groups": 1}
    graph = model.graph(y=OPS["relu"](OPS["conv"](x, model.weight("w", random(4, 3, 3, 3)), None, **plain)))
    made = quantize(graph, [{"x": random(1, 3, 8, 8)}])
    verify(made.graph)
    assert nodes(made.graph, "conv")[0].inputs[2] is not None
    plain_made = quantize(graph, [{"x": random(1, 3, 8, 8)}], settings=Quantization(correct_bias=False))
    assert nodes(plain_made.graph, "conv")[0].inputs[2] is None


def test_dilated_inputs_and_factors_stay_in_float():
    model = Model()
    x = model.input("x", 1, 3, 8, 8)
    plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "input_dilation": (2, 2), "groups": 1}
    y = OPS["conv"](x, model.weight("w", random(4, 3, 3, 3)), None, **plain)
    assert quantize(model.graph(y=y), [{"x": random(1, 3, 8, 8)}]).report.quantized == 0


@pytest.mark.parametrize("trailing", [True, False])
def test_sums_that_are_no_bias_are_left(trailing):
    model = Model()
    x = model.input("x", 2, 32)
    product = matmul(x, model.weight("w", random(32, 16)))
    more = product if trailing else OPS["mul"](product, product)
    other = model.input("o", 2, 16)
    made = quantize(
        model.graph(y=add(more, other), z=add(other, product)), [{"x": random(2, 32), "o": random(2, 16)}]
    ).graph
    assert not nodes(made, "gemm")
