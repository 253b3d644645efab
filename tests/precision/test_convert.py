"""Models in f16 and bf16."""

import numpy as np
import pytest

import xir
from tests.precision.models import OPS, Model, convolution, net, nodes, random, samples
from xir.errors import InvalidModelError, UsageError
from xir.ir.builder import sourced
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.source import Source
from xir.ir.types import DType
from xir.ir.verify import verify
from xir.ops.elementwise import add, cast, mul
from xir.ops.matmul import matmul
from xir.precision import KEPT, Precision, narrowed, narrowed_as, to_precision

F16, BF16, F32, F64 = DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64
ROUNDING = {F16: 2e-2, BF16: 1e-1}


@pytest.mark.parametrize("dtype", [F16, BF16])
@pytest.mark.parametrize("keep_io", [True, False])
def test_a_narrow_net_computes_nearly_the_same(dtype, keep_io):
    graph = net()
    made = to_precision(graph, dtype, keep_io=keep_io)
    verify(made)
    assert {value.dtype for value in (*made.inputs, *made.outputs)} == {F32 if keep_io else dtype}
    (feeds,) = samples(1)
    fed = feeds if keep_io else {name: array.astype(dtype.dtype) for name, array in feeds.items()}
    for exact, narrow in zip(xir.run(graph, feeds).values(), xir.run(made, fed).values(), strict=True):
        np.testing.assert_allclose(narrow.astype(np.float32), exact, rtol=ROUNDING[dtype], atol=ROUNDING[dtype] * 10)


def test_casts_stand_at_borders_alone():
    made = to_precision(net(), "f16", keep_io=True)
    # The input, and the scores, which are an output and what the softmax reads.
    assert len(nodes(made, "cast")) == 2
    assert nodes(made, "softmax")[0].outputs[0].dtype is F32


def test_names_and_weights_stay():
    graph = net()
    made = to_precision(graph, "f16")
    assert made.input_names == graph.input_names
    assert made.output_names == graph.output_names
    assert {made.names[p.value]: p.constant.dtype for p in made.parameters} == {
        graph.names[p.value]: F16 for p in graph.parameters
    }
    assert "conv1" in made.names.values()


def test_symbolic_sizes_stay_symbolic():
    batch = Symbol("N")
    made = to_precision(net(batch), "f16", keep_io=True)
    assert made.outputs[0].shape == (batch, 10)
    assert xir.run(made, samples(1, batch=3)[0])["prob"].shape == (3, 10)


def test_the_report_counts_operators_and_bytes():
    report = narrowed(net(), "f16").report
    assert report.bytes_after * 2 == report.bytes_before
    assert report.kept == {KEPT["softmax"]: ("prob",)} or KEPT["softmax"] in report.kept
    assert report.made_up
    assert len(report.layers) > 4
    assert all(layer.relative < 1e-2 for layer in report.layers)
    assert report.to_dict()["dtype"] == "f16"
    assert report.clamped == 0
    assert report.subnormal >= 0


def test_operators_to_keep_are_chosen():
    made = narrowed(net(), "f16", keep_io=True, keep=("conv",), measured=False)
    assert {node.outputs[0].dtype for node in nodes(made.graph, "conv")} == {F32}
    assert nodes(made.graph, "softmax")[0].outputs[0].dtype is F16
    assert list(made.report.kept) == ["asked for"]


def test_layers_to_keep_are_chosen():
    made = narrowed(net(), "f16", keep_layers=("conv2",), measured=False)
    assert [node.outputs[0].dtype for node in nodes(made.graph, "conv")] == [F16, F32]


@pytest.mark.parametrize(
    "words",
    [{"keep": ("nonsense",)}, {"keep_layers": ("nonsense",)}, {"samples": iter(())}],
)
def test_unknown_names_are_refused(words):
    with pytest.raises(UsageError):
        narrowed(net(), "f16", **words)


@pytest.mark.parametrize("dtype", ["f32", "i8", "f8e5m2"])
def test_other_types_are_refused(dtype):
    with pytest.raises(UsageError, match="f16 or bf16"):
        to_precision(net(), dtype)


def product(large: float) -> Graph:
    model = Model()
    x = model.input("x", 2, 4)
    first = matmul(x, model.weight("w", random(4, 4) * np.float32(large)))
    model.names[first] = "first"
    return model.graph(y=matmul(first, model.weight("v", random(4, 4, seed=1))))


def test_a_weight_beyond_the_range_keeps_its_reader_wide():
    made = narrowed(product(1e6), "f16", measured=False)
    assert [node.outputs[0].dtype for node in nodes(made.graph, "matmul")] == [F32, F16]
    assert any("weight" in reason for reason in made.report.kept)


def test_a_weight_beyond_the_range_is_clamped_or_refused_on_request():
    clamped = narrowed(product(1e6), "f16", overflow="clamp", measured=False).report
    assert clamped.clamped > 0
    assert "became the largest f16" in clamped.notes[0]
    with pytest.raises(InvalidModelError):
        narrowed(product(1e6), "f16", overflow="refuse", measured=False)


def test_weights_that_vanish_are_told():
    report = narrowed(product(1e-12), "f16", measured=False).report
    assert report.flushed == 16
    assert "became 0" in report.notes[0]


def test_samples_show_which_numbers_leave_the_range():
    graph = product(1e4)
    made = narrowed(graph, "f16", keep_io=True, samples=[{"x": np.full((2, 4), 100, np.float32)}])
    assert [node.outputs[0].dtype for node in nodes(made.graph, "matmul")] == [F32, F32]
    assert not made.report.made_up
    assert any("on the samples" in reason for reason in made.report.kept)


def test_numbers_that_are_lost_are_told():
    made = narrowed(product(1e4), "f16", keep_io=True)
    graph = product(1e4)
    lost = narrowed(graph, "f16", keep_io=True, measured=True)
    assert made.report.layers == lost.report.layers
    report = narrowed(_squared(), "f16", keep_io=True).report
    assert not report.layers[-1].finite
    assert "not finite" in report.notes[-1]


def _squared() -> Graph:
    model = Model()
    x = model.input("x", 4)
    big = mul(x, model.weight("w", np.full(4, 6e4, np.float32)))
    return model.graph(y=mul(big, big))


def test_f64_models_become_narrow_too():
    model = Model()
    x = model.input("x", 2, 4, dtype=F64)
    scores = matmul(x, model.weight("w", random(4, 3).astype(np.float64)))
    graph = model.graph(y=OPS["softmax"](scores, axis=1))
    made = to_precision(graph, "f16", keep_io=True)
    verify(made)
    assert nodes(made, "matmul")[0].outputs[0].dtype is F16
    assert made.outputs[0].dtype is F64
    feeds = {"x": random(2, 4).astype(np.float64)}
    np.testing.assert_allclose(xir.run(made, feeds)["y"], xir.run(graph, feeds)["y"], atol=1e-2)


def test_casts_of_the_model_between_floats_fall_away():
    model = Model()
    x = model.input("x", 4, dtype=F16)
    wide = cast(x, dtype=F32)
    graph = model.graph(y=cast(mul(wide, wide), dtype=F16), z=cast(cast(wide, dtype=F64), dtype=F32))
    made = to_precision(graph, "f16")
    assert [node.op.name for node in made.nodes] == ["mul"]
    assert made.outputs[1] is made.inputs[0]


def test_sizes_and_indices_stay_exact():
    model = Model()
    x = model.input("x", 4)
    length = model.input("n", dtype=DType.INT64)
    third = model.weight("third", np.array(1 / 3, np.float32))
    size = cast(mul(cast(length, dtype=F32), third), dtype=DType.INT64)
    index = cast(OPS["floor"](mul(x, model.weight("s", np.full(4, 1000, np.float32)))), dtype=DType.INT32)
    graph = model.graph(size=size, index=index)
    made = narrowed(graph, "f16", keep_io=True, measured=False)
    assert {node.outputs[0].dtype for node in nodes(made.graph, "mul")} == {F32}
    assert int(xir.run(made.graph, {"x": random(4), "n": np.int64(30000)})["size"]) == 10000


def test_operators_without_the_type_stay_and_are_told():
    model = Model()
    x = model.input("x", 4)
    graph = model.graph(y=OPS["bit_cast"](x, dtype=DType.INT32))
    made = narrowed(graph, "f16", keep_io=True)
    assert list(made.report.kept) == ["bit_cast has no f16"]


def test_sequences_keep_their_elements():
    model = Model()
    x = model.input("x", 4)
    sequence = OPS["sequence_construct"](x, x)
    graph = model.graph(y=OPS["sequence_at"](sequence, model.weight("i", np.array(0, np.int64))))
    made = narrowed(graph, "f16", keep_io=True, measured=False)
    assert made.graph.outputs[0].dtype is F32
    assert any("sequences" in reason for reason in made.report.kept)


def test_bodies_become_narrow_inside():
    inner = Model()
    a = inner.input("a", 4)
    then = inner.graph(y=OPS["tanh"](mul(a, a)))
    other = Model()
    b = other.input("b", 4)
    model = Model()
    condition = model.input("c", dtype=DType.BOOL)
    x = model.input("x", 4)
    graph = model.graph(y=OPS["if"](condition, x, then_body=then, else_body=other.graph(y=mul(b, b)))[0])
    made = to_precision(graph, "f16")
    verify(made)
    body = nodes(made, "if")[0].attributes["then_body"]
    assert isinstance(body, Graph)
    assert [node.outputs[0].dtype for node in body.nodes if node.op.name != "cast"] == [F16, F16]
    feeds = {"c": np.array(True), "x": random(4).astype(np.float16)}
    np.testing.assert_allclose(
        xir.run(made, feeds)["y"].astype(np.float32), np.tanh(feeds["x"].astype(np.float32) ** 2), atol=2e-3
    )


def test_quantised_layers_stay_whole():
    graph = xir.quantize(net(), samples()).graph
    made = narrowed(graph, "f16", keep_io=True, measured=False)
    assert any("quantised" in reason for reason in made.report.kept)
    assert {node.outputs[0].dtype for node in nodes(made.graph, "conv")} == {F32}


def test_made_up_samples_that_do_not_fit_are_told():
    model = Model()
    x = model.input("x", 3)
    i = model.input("i", 2, dtype=DType.INT64)
    shape = model.weight("never", np.array([5], np.int64))
    graph = model.graph(y=OPS["tanh"](OPS["reshape"](x, shape, shape=(Symbol(),))), z=i)
    report = narrowed(graph, "f16").report
    assert "not measured" in report.notes[-1]
    with pytest.raises(InvalidModelError):
        narrowed(graph, "f16", samples=[{"x": random(3), "i": np.zeros(2, np.int64)}])


def test_sources_stay():
    model = Model()
    x = model.input("x", 1, 3, 4, 4)
    source = Source("caffe", "a.caffemodel", "c1", "Convolution", "", "", 0)
    with sourced(source):
        y = convolution(model, x, "conv", 2)
    made = to_precision(model.graph(y=y), "f16")
    assert nodes(made, "conv")[0].source == (source,)


def test_wishes_of_a_conversion_are_followed():
    wishes = Precision("f16", keep_io=True, keep=("conv",), samples=lambda graph: samples(1))
    made = narrowed_as(net(), wishes)
    assert made.graph.inputs[0].dtype is F32
    assert not made.report.made_up
    assert made.report.layers
    assert not narrowed_as(net(), wishes, measured=False).report.layers


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_tolerances_follow_the_type_and_the_outputs(dtype):
    report = narrowed(net(), dtype).report
    rtol, atol = report.tolerances
    assert rtol == 40 * (2.0**-11 if dtype == "f16" else 2.0**-8)
    assert atol >= rtol


def test_one_output_twice_and_an_input_as_output():
    model = Model()
    x = model.input("x", 4)
    y = add(x, x)
    graph = model.graph(y=y, again=y, same=x)
    made = to_precision(graph, "f16")
    verify(made)
    assert [value.dtype for value in made.outputs] == [F16] * 3


def test_f16_runs_in_onnxruntime(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    graph = net()
    xir.export(to_precision(graph, "f16", keep_io=True), tmp_path / "m.onnx", target="ort==1.31")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    (feeds,) = samples(1)
    np.testing.assert_allclose(session.run(None, feeds)[1], xir.run(graph, feeds)["prob"], atol=1e-2)
