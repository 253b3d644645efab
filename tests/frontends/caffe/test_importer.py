"""From net to graph: order, names, in-place layers, inputs, outputs, everything wrong at once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import caffemodel, declare, layer, one
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.frontends.caffe import site
from xir.frontends.caffe.kinds import told_dropped
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import Loaded, LoadOptions
from xir.ir.dims import Symbol
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.reference import run

X = {"data": (1, 2, 5, 5)}
CONV = 'convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } }'


def _load(folder: Path, text: str, weights: dict[str, list[np.ndarray]] | None = None, **options: object) -> Loaded:
    path = folder / "net.prototxt"
    path.write_text(text)
    if weights is not None:
        (folder / "net.caffemodel").write_bytes(caffemodel(text, weights))
        path = folder / "net.caffemodel"
    loaded = load_caffe(str(path), LoadOptions(**options))  # type: ignore[arg-type]
    verify(loaded.graph)
    return loaded


def _f32(*shape: int) -> TensorType:
    return TensorType(DType.FLOAT32, shape)


# --- names ---------------------------------------------------------------------------------------------------------


def test_overwritten_blobs_are_named_after_their_layers(tmp_path: Path) -> None:
    chain = layer("conv", "Convolution", "data", "top", CONV) + layer("norm", "BatchNorm", "top", "top")
    graph = _load(tmp_path, declare(X) + chain + layer("relu", "ReLU", "top", "top")).graph
    made = {graph.name_of(value): value.node.op.name for value in graph.names if value.node is not None}
    assert made == {"conv": "conv", "norm": "batch_norm", "top": "relu"}


def test_a_layer_whose_name_its_blob_has_gets_another(tmp_path: Path) -> None:
    text = layer("c", "Convolution", "data", "c", CONV) + layer("r", "ReLU", "c", "c") + layer("c", "TanH", "c", "c")
    graph = _load(tmp_path, declare(X) + text).graph
    made = {graph.name_of(value): value.node.op.name for value in graph.names if value.node is not None}
    assert made == {"c_before": "conv", "r": "relu", "c": "tanh"}


def test_names_of_weights_and_blobs_do_not_collide(tmp_path: Path) -> None:
    text = layer("c", "Convolution", "data", "c.weight", CONV) + layer("d", "ReLU", "c.weight", "c.bias")
    graph = _load(tmp_path, declare(X) + text).graph
    names = list(graph.names.values())
    assert len(set(names)) == len(names)
    assert "c.weight_2" in names


def test_empty_and_repeated_layer_names(tmp_path: Path) -> None:
    text = layer("", "ReLU", "data", "data") + layer("", "TanH", "data", "data") + layer("", "AbsVal", "data", "y")
    assert _load(tmp_path, declare(X) + text).graph.output_names == ("y",)


def test_sources_name_file_layer_and_line(tmp_path: Path) -> None:
    graph = _load(tmp_path, declare(X) + layer("r", "ReLU", "data", "y")).graph
    (source,) = graph.nodes[0].source
    assert (source.framework, source.file, source.layer, source.kind) == ("caffe", "net.prototxt", "r", "ReLU")
    assert source.location == "line 2"


# --- weights -------------------------------------------------------------------------------------------------------


def test_shared_weights_are_one_parameter(tmp_path: Path) -> None:
    body = 'param { name: "w" } ' + CONV.replace("num_output: 3", "num_output: 3 bias_term: false")
    text = layer("a", "Convolution", "data", "a", body) + layer("b", "Convolution", "data", "b", body)
    graph = _load(tmp_path, declare(X) + text).graph
    assert [graph.name_of(parameter.value) for parameter in graph.parameters] == ["a.weight"]


def test_shared_statistics_are_divided_once(tmp_path: Path) -> None:
    body = 'param { name: "m" } param { name: "v" } param { name: "f" }'
    text = layer("a", "BatchNorm", "data", "a", body) + layer("b", "BatchNorm", "data", "b", body)
    blobs = [np.array([4, 8], np.float32), np.array([2, 6], np.float32), np.array([2], np.float32)]
    graph = _load(tmp_path, declare(X) + text, {"a": blobs, "b": blobs}).graph
    mean, variance = (parameter.constant.array() for parameter in graph.parameters)
    np.testing.assert_array_equal(mean, [2, 4])
    np.testing.assert_array_equal(variance, [1, 3])


def test_statistics_that_were_never_learned(tmp_path: Path) -> None:
    blobs = [np.ones(2, np.float32), np.ones(2, np.float32), np.zeros(1, np.float32)]
    loaded = _load(tmp_path, declare(X) + one("BatchNorm"), {"it": blobs})
    assert not any(parameter.constant.array().any() for parameter in loaded.graph.parameters)
    assert "moving factor 0" in " ".join(loaded.notes)


@pytest.mark.parametrize(
    ("share", "words"), [("STRICT", r"shared and has the shape \[3, 2, 3, 3\]"), ("PERMISSIVE", None)]
)
def test_shared_weights_of_another_shape(share: str, words: str | None, tmp_path: Path) -> None:
    first = 'param { name: "w" } convolution_param { num_output: 3 kernel_size: 3 bias_term: false }'
    second = f'param {{ name: "w" share_mode: {share} }} ' + first.partition("} ")[2].replace("3", "1").replace(
        "num_output: 1", "num_output: 27"
    )
    text = declare(X) + layer("a", "Convolution", "data", "a", first) + layer("b", "Convolution", "data", "b", second)
    if words is None:
        assert len(_load(tmp_path, text).graph.parameters) == 1
        return
    with pytest.raises(InvalidModelError, match=words):
        _load(tmp_path, text)


def test_weights_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"has the shape \[3, 2, 1, 1\] in the file") as caught:
        _load(tmp_path, declare(X) + one("Convolution", CONV), {"it": [np.ones((3, 2, 1, 1), np.float32)]})
    assert caught.value.code == "XIR-E506"


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="the file has 1 blobs"):
        _load(tmp_path, declare(X) + one("Convolution", CONV), {"it": [np.ones((3, 2, 3, 3), np.float32)]})


def test_old_blobs_may_have_leading_ones(tmp_path: Path) -> None:
    text = declare({"data": (2, 3)}) + one("InnerProduct", "inner_product_param { num_output: 2 }")
    weights = {"it": [np.ones((1, 1, 2, 3), np.float32), np.ones((1, 1, 1, 2), np.float32)]}
    assert [parameter.constant.type.shape for parameter in _load(tmp_path, text, weights).graph.parameters] == [
        (2, 3),
        (2,),
    ]


def test_made_up_weights_are_told_and_seeded(tmp_path: Path) -> None:
    text = declare(X) + one("Convolution", CONV)
    first, again, other = (_load(tmp_path, text, seed=seed) for seed in (1, 1, 2))
    arrays = [loaded.graph.parameters[0].constant.array() for loaded in (first, again, other)]
    np.testing.assert_array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])
    assert "made up by their fillers with seed 1" in first.notes[-1]


def test_made_up_weights_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "MAX_FILLED_BYTES", 100)
    with pytest.raises(UnsafeError, match="take more than 100 bytes"):
        _load(tmp_path, declare(X) + one("Convolution", CONV))


FILLERS = [
    ('type: "constant" value: 2', lambda w: bool((w == 2).all())),
    ('type: "gaussian" std: 0.5 mean: 1 sparse: 3', lambda w: abs(float(w.mean()) - 1) < 0.2),
    ('type: "uniform" min: 1 max: 2', lambda w: bool((w >= 1).all() and (w <= 2).all())),
    ('type: "xavier"', lambda w: bool((np.abs(w) <= np.sqrt(3 / 144) + 1e-6).all())),
    ('type: "xavier" variance_norm: FAN_OUT', lambda w: bool((np.abs(w) <= np.sqrt(3 / 288) + 1e-6).all())),
    ('type: "msra" variance_norm: AVERAGE', lambda w: abs(float(w.std()) - np.sqrt(2 / 216)) < 0.02),
    ('type: "positive_unitball"', lambda w: np.allclose(w.reshape(w.shape[0], -1).sum(1), 1)),
    ('type: "bilinear"', lambda w: np.allclose(w[0, 0], np.outer([0.25, 0.75, 0.75], [0.25, 0.75, 0.75]))),
]


@pytest.mark.parametrize(("filler", "holds"), FILLERS, ids=[row[0] for row in FILLERS])
def test_fillers(filler: str, holds: object, tmp_path: Path) -> None:
    body = f"convolution_param {{ num_output: 32 kernel_size: 3 bias_term: false weight_filler {{ {filler} }} }}"
    graph = _load(tmp_path, declare({"data": (1, 16, 5, 5)}) + one("Convolution", body)).graph
    assert callable(holds)
    assert holds(graph.parameters[0].constant.array())


@pytest.mark.parametrize(
    ("filler", "words"), [('type: "odd"', "'odd' is not one of"), ('type: "bilinear"', "needs a square 4-axis blob")]
)
def test_fillers_that_do_not_fit(filler: str, words: str, tmp_path: Path) -> None:
    body = f"inner_product_param {{ num_output: 2 weight_filler {{ {filler} }} }}"
    with pytest.raises(InvalidModelError, match=words):
        _load(tmp_path, declare({"data": (2, 3)}) + one("InnerProduct", body))


def test_unknown_sizes_of_weights(tmp_path: Path) -> None:
    text = declare({"data": (2, 3)}) + one("InnerProduct", "inner_product_param { num_output: 2 }")
    inputs = {"data": TensorType(DType.FLOAT32, (2, Symbol("K")))}
    with pytest.raises(InvalidModelError, match="must be known"):
        _load(tmp_path, text, inputs=inputs)


# --- structure -----------------------------------------------------------------------------------------------------


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = layer("a", "Odd", "data", "a") + layer("b", "Odd", "a", "b") + layer("c", "Relu", "b", "c")
    text += layer("d", "ROIAlign", "data data", "d", "roi_pooling_param { }") + layer("e", "ReLU", "c", "e")
    with pytest.raises(UnsupportedError, match="4 of 6 layers are not supported") as caught:
        _load(tmp_path, declare(X) + text)
    problems = [(problem.kind, problem.layers) for problem in caught.value.problems]
    assert problems == [("Odd", ("a", "b")), ("Relu", ("c",)), ("ROIAlign", ("d",))]
    assert "did you mean 'ReLU'?" in str(caught.value.problems[1].hint)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        (layer("r", "ReLU", "dta", "y"), "'dta' is not made by any layer before", "did you mean 'data'?"),
        (layer("r", "ReLU", "z", "y") + layer("s", "ReLU", "y", "z"), "layer 's' makes it, but only later", None),
        (layer("r", "ReLU", "r", "r"), "layer 'r' makes it, but only later or in the same place", None),
    ],
)
def test_missing_bottoms(text: str, words: str, hint: str | None, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=words) as caught:
        _load(tmp_path, declare(X) + text)
    assert hint is None or caught.value.hint == hint
    assert caught.value.source.layer == "r"


def test_two_layers_make_one_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="two layers make the input 'data'"):
        _load(tmp_path, declare(X) + declare(X) + one("ReLU"))


def test_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="nothing is left to compute"):
        _load(tmp_path, declare(X) + layer("s", "Silence", "data", ""))


def test_swallowed_blobs_are_no_outputs(tmp_path: Path) -> None:
    text = one("Split", tops="a b") + layer("s", "Silence", "a", "") + layer("w", "HDF5Output", "b", "")
    loaded = _load(tmp_path, declare(X) + text + layer("r", "ReLU", "data", "y"))
    assert loaded.graph.output_names == ("y",)
    assert "layer 'w' (HDF5Output) writes files: dropped" in loaded.notes


def test_chosen_outputs(tmp_path: Path) -> None:
    text = declare(X) + layer("c", "Convolution", "data", "c", CONV) + layer("r", "ReLU", "c", "c")
    graph = _load(tmp_path, text + layer("t", "TanH", "c", "t"), outputs=["c", "t", "c_before"]).graph
    assert [value.node.op.name for value in graph.outputs if value.node] == ["relu", "tanh", "conv"]


def test_weights_that_no_output_needs_are_left_out(tmp_path: Path) -> None:
    text = declare(X) + layer("c", "Convolution", "data", "c", CONV) + layer("d", "Convolution", "c", "d", CONV)
    graph = _load(tmp_path, text, outputs=["c"]).graph
    assert [graph.name_of(parameter.value) for parameter in graph.parameters] == ["c.weight", "c.bias"]
    assert "d" not in graph.names.values()


@pytest.mark.parametrize(("outputs", "words"), [(["tt"], "nothing called 'tt'"), ([], "no output is left")])
def test_chosen_outputs_that_do_not_exist(outputs: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        _load(tmp_path, declare(X) + one("TanH", tops="t"), outputs=outputs)


def test_override_of_no_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="has no input of that name") as caught:
        _load(tmp_path, declare(X) + one("ReLU"), inputs={"dat": _f32(1)})
    assert caught.value.hint == "its inputs: ['data']"


def test_override_of_a_declared_input(tmp_path: Path) -> None:
    graph = _load(tmp_path, declare(X) + one("ReLU"), inputs={"data": _f32(7, 2, 3, 3)}).graph
    assert graph.outputs[0].shape == (7, 2, 3, 3)


def test_assumed_sizes_become_constraints(tmp_path: Path) -> None:
    text = declare({"a": (1, 2), "b": (1, 2)}) + one("Eltwise", "", "a b")
    inputs = {name: TensorType(DType.FLOAT32, (Symbol(name), 2)) for name in "ab"}
    assert len(_load(tmp_path, text, inputs=inputs).graph.constraints) == 1


def test_losses_are_dropped_in_testing_and_kept_in_training(tmp_path: Path) -> None:
    text = declare({"data": (3, 4), "label": (3,)}) + one("TanH", tops="t")
    text += layer("loss", "SoftmaxWithLoss", "t label", "loss") + layer("a", "Accuracy", "t label", "a")
    test, train = _load(tmp_path, text), _load(tmp_path, text, phase="TRAIN")
    assert test.graph.output_names == ("t",)
    assert train.graph.output_names == ("loss", "a")
    assert "layer 'loss' (SoftmaxWithLoss) is only for training: dropped" in test.notes
    assert _load(tmp_path, text, losses=True).graph.output_names == ("loss", "a")
    assert _load(tmp_path, text, phase="TRAIN", losses=False).graph.output_names == ("t",)


def test_python_losses_are_dropped(tmp_path: Path) -> None:
    body = 'loss_weight: 1 python_param { module: "m" layer: "L" }'
    text = declare({"data": (3, 4), "b": (3, 4)}) + one("TanH", tops="t") + layer("l", "Python", "t b", "l", body)
    assert _load(tmp_path, text).graph.output_names == ("t",)


def test_a_loss_without_tops_makes_one(tmp_path: Path) -> None:
    """As in Caffe (net.cpp, AutoTopBlobs)."""
    text = declare({"data": (3, 4), "label": (3,)}) + layer("loss", "SoftmaxWithLoss", "data label", "")
    assert _load(tmp_path, text, losses=True).graph.output_names == ("loss",)


def test_a_note_about_training(tmp_path: Path) -> None:
    assert "draws random numbers" in " ".join(_load(tmp_path, declare(X) + one("Dropout"), phase="TRAIN").notes)


def _calls(path: Path) -> int:
    """How many Python functions an import calls."""
    count = 0

    def tick(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(tick)
    try:
        load_caffe(str(path), LoadOptions())
    finally:
        sys.setprofile(None)
    return count


def _chain(folder: Path, layers: int) -> Path:
    pieces, last = [declare({"data": (1, 2, 4, 4)})], "data"
    body = 'convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }'
    for index in range(0, layers, 3):
        pieces.append(layer(f"c{index}", "Convolution", last, f"c{index}", body))
        pieces.append(layer(f"r{index}", "ReLU", f"c{index}", f"c{index}"))
        pieces.append(layer(f"e{index}", "Eltwise", f"{last} c{index}", f"e{index}"))
        last = f"e{index}"
    path = folder / f"chain{layers}.prototxt"
    path.write_text("".join(pieces))
    return path


def test_work_grows_linearly(tmp_path: Path) -> None:
    _calls(_chain(tmp_path, 30))
    small, large = (_calls(_chain(tmp_path, layers)) for layers in (300, 1200))
    assert large < 4.4 * small


def test_a_chain_of_20000_layers(tmp_path: Path) -> None:
    graph = load_caffe(str(_chain(tmp_path, 20_000)), LoadOptions()).graph
    assert len(graph.nodes) >= 20_000


def test_runs(tmp_path: Path) -> None:
    graph = _load(tmp_path, declare({"data": (2,)}) + one("AbsVal")).graph
    (result,) = run(graph, {"data": np.array([-1, 2], np.float32)}).values()
    np.testing.assert_array_equal(np.asarray(result), [1, 2])


SSD = layer("mbox", "MultiBoxLoss", "data", "mbox", "include { phase: TRAIN }") + layer(
    "ip", "InnerProduct", "data", "ip", "inner_product_param { num_output: 2 }"
)


def test_a_loss_of_the_other_phase_is_told_and_what_stands_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(declare({"data": (1, 3)}) + SSD)
    (note,) = [one for one in load_caffe(str(path), LoadOptions()).notes if "only for training" in one]
    assert "layer 'mbox' (MultiBoxLoss) is only for training: dropped; a deploy.prototxt brings the detection" in note


@pytest.mark.parametrize(("kind", "others"), [("MultiBoxLoss", ["DetectionOutput"]), ("HingeLoss", ["ReLU"])])
def test_a_loss_alone_is_told_where_nothing_is_missing(kind: str, others: list[str]) -> None:
    assert told_dropped("l", kind, others) == f"layer 'l' ({kind}) is only for training: dropped"


def test_an_input_that_is_not_declared_may_be_told(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(layer("ip", "InnerProduct", "data", "ip", "inner_product_param { num_output: 2 }"))
    with pytest.raises(InvalidModelError, match="bottom 'data' is not made") as caught:
        load_caffe(str(path), LoadOptions())
    assert "add --input data=f32[N,3,224,224]" in str(caught.value.hint)
    loaded = load_caffe(str(path), LoadOptions(inputs={"data": TensorType(DType.FLOAT32, (1, 3))}))
    assert loaded.graph.input_names == ("data",)
    assert any("as --input says" in note for note in loaded.notes)


def test_input_does_not_replace_what_a_later_layer_makes(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(declare({"x": (1, 3)}) + layer("a", "ReLU", "data", "y") + layer("b", "ReLU", "x", "data"))
    with pytest.raises(InvalidModelError, match="only later") as caught:
        load_caffe(str(path), LoadOptions(inputs={"data": TensorType(DType.FLOAT32, (1, 3))}))
    assert "--input" not in str(caught.value.hint)


def test_a_layer_without_a_type_or_a_name(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(declare({"data": (1, 3)}) + 'layer { bottom: "data" top: "y" }')
    with pytest.raises(UnsupportedError, match="1 of 2 layers is not supported") as caught:
        load_caffe(str(path), LoadOptions())
    (problem,) = caught.value.problems
    assert (problem.kind, problem.layers, problem.reason) == ("(no type)", ("(no name)",), "the layer has no type")


LABELS = (
    layer("ip", "InnerProduct", "data", "ip", "inner_product_param { num_output: 2 }")
    + layer("cut", "Slice", "label", "a b", "slice_param { slice_point: 1 }")
    + layer("loss", "SoftmaxWithLoss", "ip a", "loss")
    + layer("rest", "Silence", "b", "")
)


@pytest.mark.parametrize(("cut", "wanted"), [(True, "f32[N,2]"), (False, "f32[N]")])
def test_labels_are_not_proposed_as_pictures(cut: bool, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    text = LABELS if cut else layer("loss", "SoftmaxWithLoss", "data label", "loss")
    path.write_text(declare({"data": (1, 3)}) + text)
    with pytest.raises(InvalidModelError) as caught:
        load_caffe(str(path), LoadOptions(losses=True))
    assert f"--input label={wanted}" in str(caught.value.hint)
