"""State over several runs, known conditions, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases.flow import X, branches, transposed_with_bias, variables
from tests.frontends.tflite.models import Fed, Held, Model, Out, Q, single
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.flatbuffer.write import write_tflite
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions


@pytest.fixture
def written(tmp_path):
    """Writes a file and gives its path."""

    def write(data):
        path = tmp_path / "m.tflite"
        path.write_bytes(data)
        return str(path)

    return write


def test_a_variable_that_no_run_changes_is_a_weight(written):
    loaded = load_model(written(variables()[0].data))
    assert not loaded.state
    assert len(loaded.graph.inputs) == len(loaded.graph.outputs) == 1


def test_a_variable_that_a_run_changes_goes_from_run_to_run(written):
    loaded = load_model(written(variables()[1].data))
    (name,) = loaded.state
    state = loaded.state[name].array()
    for _ in range(3):
        first, state = xir.run(loaded.graph, {loaded.graph.input_names[0]: X, name: state}).values()
    assert loaded.graph.output_names[1] == f"{name}.new"
    assert "state" in loaded.notes[0]
    np.testing.assert_array_equal(first, np.array([5, 6, 7], np.float32) + 3 * X)


def test_both_branches_are_bodies(written):
    graph = xir.load(written(branches()[0].data))
    assert [node.op.name for node in graph.nodes] == ["if"]


def test_mediapipes_transposed_convolution(written):
    case = transposed_with_bias()
    graph = xir.load(written(case.data))
    (got,) = xir.run(graph, {graph.input_names[0]: case.feeds[0]}).values()
    x, weights, bias = case.feeds[0], *(p.constant.array() for p in graph.parameters)
    want = np.einsum("nhwi,oabi->nhawbo", x, weights).reshape(1, 6, 8, 2) + bias
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("Mine", "custom operator"),
        ("FlexErf", "'Erf'"),
        ("edgetpu-custom-op", "machine code of the Edge TPU"),
        ("DISPATCH_OP", "machine code of an accelerator"),
    ],
)
def test_custom_operators_are_refused_by_name(written, kind, told):
    with pytest.raises(UnsupportedError, match=told) as caught:
        xir.load(written(single(f"CUSTOM:{kind}", Fed(X)).data))
    assert caught.value.problems[0].kind == kind


def test_every_unsupported_operator_is_told_at_once(written):
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (3,))
    for kind in ("CUSTOM:One", "SKIP_GRAM", "CUSTOM:Two"):
        graph.outputs += graph.op(kind, [x], [Out(shape=(3,))])
    with pytest.raises(UnsupportedError) as caught:
        xir.load(written(model.data()))
    assert [problem.kind for problem in caught.value.problems] == ["One", "SKIP_GRAM", "Two"]


def test_an_option_that_nobody_knows_is_refused(written):
    with pytest.raises(UnsupportedError, match="'alpha'"):
        xir.load(written(single("RELU", Fed(X), options={"LeakyReluOptions": {"alpha": 0.5}}).data))


def test_a_subgraph_that_calls_itself_is_refused(written):
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (3,))
    words = {"StableHLOCompositeOptions": {"name": "again", "decomposition_subgraph_index": 0}}
    graph.outputs += graph.op("STABLEHLO_COMPOSITE", [x], [Out(shape=(3,))], words)
    with pytest.raises(UnsafeError, match="nested"):
        xir.load(written(model.data()))


def test_a_tensor_that_nothing_makes_is_refused(written):
    model = Model()
    graph = model.subgraph()
    graph.outputs += graph.op("RELU", [graph.tensor("float32", (3,))], [Out(shape=(3,))])
    with pytest.raises(InvalidModelError, match="no earlier operator"):
        xir.load(written(model.data()))


def test_names_that_stand_twice_get_numbers(written):
    model = Model()
    graph = model.subgraph()
    pair = [graph.input("float32", (3,), name="x"), graph.input("float32", (3,), name="x")]
    graph.outputs += graph.op("ADD", pair, [Out(shape=(3,))], {"AddOptions": {}})
    assert xir.load(written(model.data())).input_names == ("x", "x_1")


def test_sizes_that_the_run_decides_are_symbols(written):
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (1, 3), shape_signature=(-1, 3))
    graph.outputs += graph.op("RELU", [x], [Out(shape=(1, 3))])
    path = written(model.data())
    loaded = xir.load(path)
    assert xir.run(loaded, {loaded.input_names[0]: np.ones((4, 3), np.float32)}).popitem()[1].shape == (4, 3)
    assert xir.load(path, inputs={loaded.input_names[0]: "f32[2,3]"}).outputs[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("kind", "mean", "deviation"), [("RANDOM_UNIFORM", 0.5, 0.289), ("RANDOM_STANDARD_NORMAL", 0, 1)]
)
def test_drawn_numbers_have_the_right_statistics(written, kind, mean, deviation):
    words = {"RandomOptions": {"seed": 3, "seed2": 4}}
    graph = xir.load(written(single(kind, Held(np.array([100, 50], np.int32)), options=words).data))
    (got,) = xir.run(graph, {}).values()
    assert got.shape == (100, 50)
    assert got.mean() == pytest.approx(mean, abs=0.06)
    assert got.std() == pytest.approx(deviation, abs=0.06)


def test_classes_are_drawn_by_their_logarithms(written):
    logarithms = np.log(np.array([[0.1, 0.2, 0.7]], np.float32))
    case = single("MULTINOMIAL", Fed(logarithms), Held(np.int32(2000)), options={"RandomOptions": {"seed": 1}},
                  results=[Out("int64")])  # fmt: skip
    graph = xir.load(written(case.data))
    (got,) = xir.run(graph, {graph.input_names[0]: logarithms}).values()
    assert got.dtype == np.int64
    np.testing.assert_allclose(np.bincount(got[0]) / 2000, [0.1, 0.2, 0.7], atol=0.05)


def test_complex_numbers_are_refused_where_they_are_compared_or_summed(written):
    model = Model()
    graph = model.subgraph()
    lengths = graph.constant(np.array([2, 4], np.int32))
    spectrum = graph.op("RFFT2D", [graph.input("float32", (2, 4)), lengths], [Out("complex64")])
    graph.outputs += graph.op("REDUCE_MAX", [*spectrum, graph.constant(np.array([0], np.int32))], [Out("complex64")])
    with pytest.raises(UnsupportedError, match="complex"):
        xir.load(written(model.data()))


def test_weights_of_8_bits_are_widened_where_the_activations_are_real(written):
    weights = np.array([[10, -20, 30], [5, 0, -128]], np.int8)
    case = single("FULLY_CONNECTED", Fed(X[None]), Held(weights, Q((0.1, 0.2), 0, 0)),
                  options={"FullyConnectedOptions": {"asymmetric_quantize_inputs": True}})  # fmt: skip
    graph = xir.load(written(case.data))
    (got,) = xir.run(graph, {graph.input_names[0]: X[None]}).values()
    np.testing.assert_allclose(got, X[None] @ (weights * np.array([[0.1], [0.2]])).T, rtol=1e-6)


def test_a_model_may_end_before_an_operator_that_is_not_read(written):
    model = Model()
    graph = model.subgraph()
    (made,) = graph.op("ABS", [graph.input("float32", (3,))], [Out(shape=(3,))], {"AbsOptions": {}})
    graph.outputs += graph.op("CUSTOM:Mine", [made], [Out(shape=(3,))])
    path = written(write_tflite(model.content()))
    found = xir.load(path, outputs=["t1"])
    assert ([node.op.name for node in found.nodes], found.output_names) == (["abs"], ("t1",))
    for name in ("t2", "other"):
        with pytest.raises(UnsupportedError, match="Mine"):
            xir.load(path, outputs=[name])


def test_a_signature_chooses_the_subgraph(written):
    model = Model()
    for name, kind in (("one", "RELU"), ("two", "NEG")):
        graph = model.subgraph(name)
        graph.outputs += graph.op(kind, [graph.input("float32", (3,))], [Out(shape=(3,))])
    content = model.content()
    content["signature_defs"] = tuple(
        {"signature_key": f"{name} way", "subgraph_index": index} for index, name in enumerate(("one", "two"))
    )
    path = written(write_tflite(content))
    first, second = load_model(path), load_model(path, LoadOptions(method="two way"))
    assert any("'two way'" in note for note in first.notes)
    assert not second.notes
    assert [node.op.name for loaded in (first, second) for node in loaded.graph.nodes] == ["clip", "neg"]
    with pytest.raises(UsageError, match="'one way', 'two way'"):
        load_model(path, LoadOptions(method="three"))
