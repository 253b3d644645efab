"""RNN, GRU and LSTM in every wording, against onnxruntime and against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.onnx.models import One, normal, saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

STEPS, STREAMS, INPUT, SIZE = 4, 3, 2, 5
ROWS = {"RNN": 1, "GRU": 3, "LSTM": 4}
ALL_FUNCTIONS = ["Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"]


def operands(kind: str, ways: int = 1, batch_first: bool = False) -> dict[str, Array]:
    rows = ROWS[kind] * SIZE
    x = normal(STREAMS, STEPS, INPUT) if batch_first else normal(STEPS, STREAMS, INPUT)
    return {"x": x, "w": normal(ways, rows, INPUT, seed=1), "r": normal(ways, rows, SIZE, seed=2) * np.float32(0.5)}


def bias(kind: str, ways: int = 1) -> dict[str, Array]:
    return {"b": normal(ways, 2 * ROWS[kind] * SIZE, seed=3)}


def layer(kind: str, opset: int, note: str = "", ways: int = 1, **attributes: object) -> One:
    held = {"hidden_size": SIZE, **attributes}
    outputs = 3 if kind == "LSTM" else 2
    feeds = {**operands(kind, ways), **bias(kind, ways)}
    return One(kind, opset, feeds, attributes=held, outputs=outputs, note=note)


def cases() -> Iterator[One]:
    for kind in ROWS:
        outputs = 3 if kind == "LSTM" else 2
        for opset in (7, 14, 22):
            yield layer(kind, opset)
        lengths = {"n": np.array([2, 4, 1], np.int32)}
        for direction, ways in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            starts = {"h": normal(ways, STREAMS, SIZE, seed=4)}
            if kind == "LSTM":
                starts["c"] = normal(ways, STREAMS, SIZE, seed=5)
            feeds = {**operands(kind, ways), **bias(kind, ways), **lengths, **starts}
            attributes = {"hidden_size": SIZE, "direction": direction}
            yield One(kind, 14, feeds, attributes=attributes, outputs=outputs, note=f"{direction}, lengths")
        if kind != "LSTM":
            yield layer(kind, 14, "clipped", clip=0.5)
    for name in ALL_FUNCTIONS:
        yield layer("RNN", 14, name, activations=[name], activation_alpha=[0.3], activation_beta=[0.6])
    for name in ("LeakyRelu", "HardSigmoid", "Elu"):
        yield layer("RNN", 14, f"{name}, defaults", activations=[name])
    mixed = {
        "activations": ["HardSigmoid", "tanh", "LeakyRelu", "Sigmoid", "Affine", "Elu"],
        "activation_alpha": [0.3, 0.1, 0.7, 0.8],
        "activation_beta": [0.4, 0.2],
    }
    yield layer("LSTM", 14, "alphas in turn", 2, direction="bidirectional", **mixed)
    yield layer("GRU", 7, "linear before reset", linear_before_reset=1)
    peepholes = {"p": normal(1, 3 * SIZE, seed=6)}
    names = ["x", "w", "r", "b", "", "", "", "p"]
    feeds = {**operands("LSTM"), **bias("LSTM"), **peepholes}
    for note, words in (("peepholes", {}), ("coupled", {"input_forget": 1})):
        attributes = {"hidden_size": SIZE, **words}
        yield One("LSTM", 14, feeds, inputs=names, attributes=attributes, outputs=3, note=note)


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_layer_computes_what_onnxruntime_does(case: One, tmp_path: Path) -> None:
    import onnxruntime

    path = saved(case.model(), tmp_path)
    got = run(import_onnx(path), case.feeds)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for have, raw in zip(got.values(), session.run(None, dict(case.feeds)), strict=True):
        np.testing.assert_allclose(have, np.asarray(raw), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ROWS)
def test_the_batch_first_layout_is_the_other_one_turned(kind: str, tmp_path: Path) -> None:
    feeds = {**operands(kind, 2, batch_first=True), **bias(kind, 2)}
    words = {"hidden_size": SIZE, "direction": "bidirectional"}
    outputs = 3 if kind == "LSTM" else 2
    first = One(kind, 14, feeds, attributes={**words, "layout": 1}, outputs=outputs)
    turned = {**feeds, "x": feeds["x"].swapaxes(0, 1)}
    last = One(kind, 14, turned, attributes=words, outputs=outputs)
    got = list(run(import_onnx(saved(first.model(), tmp_path)), feeds).values())
    want = list(run(import_onnx(saved(last.model(), tmp_path)), turned).values())
    np.testing.assert_array_equal(got[0], want[0].transpose(2, 0, 1, 3))
    for have, state in zip(got[1:], want[1:], strict=True):
        np.testing.assert_array_equal(have, state.transpose(1, 0, 2))


@pytest.mark.parametrize(("kind", "since"), [("RNN", 1), ("GRU", 1), ("GRU", 3), ("LSTM", 1)])
def test_old_wordings_are_the_new_ones(kind: str, since: int, tmp_path: Path) -> None:
    feeds = {**operands(kind), **bias(kind)}
    old = One(kind, since, feeds, attributes={"hidden_size": SIZE, "output_sequence": 1}, outputs=2)
    new = One(kind, 7, feeds, attributes={"hidden_size": SIZE}, outputs=2)
    got, want = (run(import_onnx(saved(each.model(), tmp_path)), feeds) for each in (old, new))
    for have, expected in zip(got.values(), want.values(), strict=True):
        np.testing.assert_array_equal(have, expected)


def test_default_direction_of_gru_1_is_forward_as_it_is_spelt(tmp_path: Path) -> None:
    case = One("GRU", 1, operands("GRU"), attributes={"hidden_size": SIZE, "direction": "foward"}, outputs=2)
    graph = import_onnx(saved(case.model(), tmp_path))
    assert graph.nodes[0].attributes["direction"] == "forward"


def test_one_step_of_a_plain_layer_by_hand(tmp_path: Path) -> None:
    feeds = {
        "x": np.full((1, 1, 1), 2.0, np.float32),
        "w": np.full((1, 1, 1), 0.5, np.float32),
        "r": np.full((1, 1, 1), 3.0, np.float32),
        "b": np.array([[0.25, 0.5]], np.float32),
        "h": np.full((1, 1, 1), 0.25, np.float32),
    }
    words = {"hidden_size": 1, "activations": ["Affine"], "activation_alpha": [2.0], "activation_beta": [1.0]}
    case = One("RNN", 14, feeds, inputs=["x", "w", "r", "b", "", "h"], attributes=words)
    (output,) = run(import_onnx(saved(case.model(), tmp_path)), feeds).values()
    assert output.tolist() == [[[[2 * (2 * 0.5 + 0.25 * 3 + 0.25 + 0.5) + 1]]]]


def test_clipping_bounds_the_input_of_every_function_the_last_one_too(tmp_path: Path) -> None:
    """onnx.defs: "applied to the input of activations"; onnxruntime leaves out the one after the cell."""
    feeds = {
        "x": np.full((1, 1, 1), 1.0, np.float32),
        "w": np.array([[[0.25], [0.5], [3.0], [-3.0]]], np.float32),
        "r": np.zeros((1, 4, 1), np.float32),
        "c": np.full((1, 1, 1), 8.0, np.float32),
    }
    identity = {"activations": ["Affine"] * 3, "activation_alpha": [1.0] * 3, "activation_beta": [0.0] * 3}
    words = {"hidden_size": 1, "clip": 2.0, **identity}
    case = One("LSTM", 14, feeds, inputs=["x", "w", "r", "", "", "", "c"], attributes=words, outputs=3)
    outputs, _, cell = run(import_onnx(saved(case.model(), tmp_path)), feeds).values()
    assert cell.tolist() == [[[2.0 * 8.0 + 0.25 * -2.0]]]
    assert outputs.tolist() == [[[[0.5 * 2.0]]]]


def test_activations_without_one_for_each_gate_are_refused(tmp_path: Path) -> None:
    case = One("GRU", 14, operands("GRU"), attributes={"activations": ["Tanh"]})
    with pytest.raises(InvalidModelError, match="2 activations are needed, got 1"):
        import_onnx(saved(case.model(), tmp_path))


def test_rnn_may_name_a_function_for_a_direction_that_it_does_not_have(tmp_path: Path) -> None:
    """The default of onnx.defs is two Tanh, whatever the direction."""
    case = One("RNN", 14, operands("RNN"), attributes={"activations": ["Relu", "Tanh"]})
    assert import_onnx(saved(case.model(), tmp_path)).nodes[0].attributes["functions"] == (("relu", 0.0, 0.0),)


def test_affine_and_thresholded_relu_have_the_defaults_of_their_operators(tmp_path: Path) -> None:
    functions = []
    for name in ("Affine", "ThresholdedRelu"):
        case = One("RNN", 14, operands("RNN"), attributes={"activations": [name]})
        functions.append(import_onnx(saved(case.model(), tmp_path)).nodes[0].attributes["functions"])
    assert functions == [(("affine", 1.0, 0.0),), (("thresholded_relu", 1.0, 0.0),)]


def test_a_sequence_without_steps_keeps_its_start_state(tmp_path: Path) -> None:
    feeds = {**operands("RNN"), "n": np.zeros(3, np.int32), "h": normal(1, STREAMS, SIZE, seed=4)}
    case = One("RNN", 14, feeds, inputs=["x", "w", "r", "", "n", "h"], attributes={"hidden_size": SIZE}, outputs=2)
    outputs, last = run(import_onnx(saved(case.model(), tmp_path)), feeds).values()
    assert not outputs.any()
    np.testing.assert_array_equal(last, feeds["h"])


def test_longer_sequences_than_there_are_steps_are_refused(tmp_path: Path) -> None:
    feeds = {**operands("RNN"), "n": np.array([1, 9, 1], np.int32)}
    case = One("RNN", 14, feeds, inputs=["x", "w", "r", "", "n"], attributes={"hidden_size": SIZE})
    graph = import_onnx(saved(case.model(), tmp_path))
    with pytest.raises(InvalidModelError, match="1 to 9 steps, where there are 4"):
        run(graph, feeds)


REFUSED: list[tuple[dict[str, object], type[XirError], str]] = [
    ({"activations": ["Sine"]}, InvalidModelError, "unknown activation 'Sine'"),
    ({"activations": ["ScaledTanh"], "activation_alpha": [1.0]}, InvalidModelError, "ScaledTanh needs its"),
    ({"hidden_size": 9}, InvalidModelError, "hidden_size is 9, the weights have 5"),
    ({"direction": "sideways"}, InvalidModelError, "expected one of forward"),
    ({"direction": "bidirectional"}, InvalidModelError, "differ"),
    ({"clip": -1.0}, InvalidModelError, "bound of clipping"),
    ({"gates": 1}, UnsupportedError, "unknown attributes 'gates'"),
]


@pytest.mark.parametrize(("words", "kind", "text"), REFUSED)
def test_refusals_name_the_cause(words: dict[str, object], kind: type[XirError], text: str, tmp_path: Path) -> None:
    case = One("RNN", 14, operands("RNN"), attributes=words)
    with pytest.raises(kind, match=text):
        import_onnx(saved(case.model(), tmp_path))
