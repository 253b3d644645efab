"""V0 and V1 nets become V2, as in upgrade_proto.cpp; real Caffe judges where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode_text, write
from xir.errors import FormatError, InvalidModelError
from xir.frontends.caffe.legacy import v1_name
from xir.frontends.caffe.net import Layer, Net
from xir.frontends.caffe.reader import net_from_text, read, read_net
from xir.frontends.caffe.schema import load_schema

V0 = """
name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 2 kernelsize: 3 stride: 1 group: 1 biasterm: true
                 weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "constant" value: 0.25 }
                 blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
                 BLOBS } bottom: "pad1" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 2 stride: 2 pad: 1 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.25 k: 2 } bottom: "pool1" top: "norm1" }
layers { layer { name: "drop1" type: "dropout" dropout_ratio: 0.25 } bottom: "norm1" top: "norm1" }
layers { layer { name: "cat" type: "concat" concat_dim: 1 } bottom: "norm1" bottom: "pool1" top: "cat" }
layers { layer { name: "ip" type: "innerproduct" num_output: 2 biasterm: false } bottom: "cat" top: "ip" }
layers { layer { name: "prob" type: "softmax" } bottom: "ip" top: "prob" }
"""
NUMBERS = ", ".join(str(index) for index in range(54))
WEIGHTS = f"""blobs {{ num: 2 channels: 3 height: 3 width: 3 data: [{NUMBERS}] }}
blobs {{ num: 1 channels: 1 height: 1 width: 2 data: [7, 8] }}"""


def v0(blobs: str = "") -> str:
    return V0.replace("BLOBS", blobs)


def layer_of(net: Net, name: str) -> Layer:
    return next(layer for layer in net.layers if layer.name == name)


def one(text: str) -> Layer:
    (layer,) = net_from_text(text).layers
    return layer


def test_v0_becomes_v2() -> None:
    net = net_from_text(v0())
    assert net.generation == "V0"
    assert [(layer.name, layer.kind) for layer in net.layers] == [
        ("input", "Input"),
        ("conv1", "Convolution"),
        ("relu1", "ReLU"),
        ("pool1", "Pooling"),
        ("norm1", "LRN"),
        ("drop1", "Dropout"),
        ("cat", "Concat"),
        ("ip", "InnerProduct"),
        ("prob", "Softmax"),
    ]
    conv = layer_of(net, "conv1")
    assert conv.bottoms == ("data",)
    parameters = conv.param("convolution_param")
    assert (parameters.integers("pad"), parameters.integers("kernel_size"), parameters.integer("num_output")) == (
        (2,),
        (3,),
        2,
    )
    assert parameters.message("weight_filler").number("std") == 0.5
    assert [(spec.lr_mult, spec.decay_mult) for spec in conv.specs] == [(1.0, 1.0), (2.0, 0.0)]
    pool = layer_of(net, "pool1").param("pooling_param")
    assert (pool.enum("pool"), pool.integer("pad"), pool.integer("stride")) == ("AVE", 1, 2)
    norm = layer_of(net, "norm1").param("lrn_param")
    assert (norm.integer("local_size"), norm.number("alpha"), norm.number("beta"), norm.number("k")) == (
        3,
        0.5,
        0.25,
        2.0,
    )
    assert layer_of(net, "drop1").param("dropout_param").number("dropout_ratio") == 0.25
    assert layer_of(net, "cat").param("concat_param").integer("concat_dim") == 1
    assert not layer_of(net, "ip").param("inner_product_param").boolean("bias_term")
    assert any("'pad1' was merged into 'conv1'" in note for note in net.notes)


@pytest.mark.parametrize(
    ("kind", "fields", "parameter", "name", "value"),
    [
        ("data", 'source: "s"', "data_param", "source", "s"),
        ("images", 'source: "s"', "image_data_param", "source", "s"),
        ("hdf5_data", 'source: "s"', "hdf5_data_param", "source", "s"),
        ("window_data", 'det_crop_mode: "square"', "window_data_param", "crop_mode", "square"),
        ("infogain_loss", 'source: "s"', "infogain_loss_param", "source", "s"),
        ("hdf5_output", 'hdf5_output_param { file_name: "s" }', "hdf5_output_param", "file_name", "s"),
        ("data", 'meanfile: "m"', "transform_param", "mean_file", "m"),
    ],
)
def test_v0_texts_go_to_their_places(kind: str, fields: str, parameter: str, name: str, value: str) -> None:
    layer = one(f'layers {{ layer {{ name: "x" type: "{kind}" {fields} }} top: "x" }}')
    assert layer.param(parameter).text(name) == value


@pytest.mark.parametrize(
    ("kind", "fields", "parameter", "name", "value"),
    [
        ("data", "batchsize: 3", "data_param", "batch_size", 3),
        ("data", "rand_skip: 3", "data_param", "rand_skip", 3),
        ("images", "new_height: 3", "image_data_param", "new_height", 3),
        ("images", "new_width: 3", "image_data_param", "new_width", 3),
        ("window_data", "det_context_pad: 3", "window_data_param", "context_pad", 3),
        ("data", "cropsize: 3", "transform_param", "crop_size", 3),
        ("relu", "cropsize: 3", "transform_param", "crop_size", 3),
    ],
)
def test_v0_numbers_go_to_their_places(kind: str, fields: str, parameter: str, name: str, value: int) -> None:
    layer = one(f'layers {{ layer {{ name: "x" type: "{kind}" {fields} }} top: "x" }}')
    assert layer.param(parameter).integer(name) == value


def test_v0_fields_without_meaning_are_noted() -> None:
    net = net_from_text('layers { layer { name: "x" type: "relu" num_output: 3 } top: "x" }')
    assert any("'num_output' means nothing to the old type 'relu'" in note for note in net.notes)


def test_v0_without_type_and_name() -> None:
    layer = one("layers { layer { } top: 'x' }")
    assert (layer.name, layer.kind, layer.tops) == ("", "", ("x",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("layers { } layer { }", "both 'layer' and 'layers'"),
        ("layers { layer { type: 'relu' } } layers { type: RELU }", "no inner 'layer'"),
        ("layers { layer { type: 'warp' name: 'w' } }", "'warp' is no layer type of the oldest form"),
        ("layers { layer { type: 'relu' name: 'r' } bottom: 'x' }", "reads 'x', which no layer before it makes"),
        (
            "input: 'd' layers { layer { type: 'padding' } bottom: 'd' top: 'p' }"
            " layers { layer { type: 'relu' } bottom: 'p' }",
            r"feeds '' \(relu\)",
        ),
        ("input: 'a' input_dim: 1", "1 of 'input_dim'; expected four each"),
        ("input: 'a' input_shape { dim: 1 } input_shape { dim: 1 }", "2 of 'input_shape'; expected one for each"),
        ("input_dim: 1 layer { }", "declares 0 of 'input' but 1 of 'input_dim'"),
    ],
)
def test_what_caffe_aborts_on_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        net_from_text(text)


def test_a_net_without_layers_is_refused() -> None:
    with pytest.raises(FormatError, match="holds no layers"):
        net_from_text("name: 'n' # nothing else")


def test_v1_names_are_types_of_today() -> None:
    expected = [
        "AbsVal",
        "Accuracy",
        "ArgMax",
        "BNLL",
        "Concat",
        "ContrastiveLoss",
        "Convolution",
        "Data",
        "Deconvolution",
        "Dropout",
        "DummyData",
        "Eltwise",
        "EuclideanLoss",
        "Exp",
        "Flatten",
        "HDF5Data",
        "HDF5Output",
        "HingeLoss",
        "Im2col",
        "ImageData",
        "InfogainLoss",
        "InnerProduct",
        "LRN",
        "MVN",
        "MemoryData",
        "MultinomialLogisticLoss",
        "Pooling",
        "Power",
        "ReLU",
        "Sigmoid",
        "SigmoidCrossEntropyLoss",
        "Silence",
        "Slice",
        "Softmax",
        "SoftmaxWithLoss",
        "Split",
        "TanH",
        "Threshold",
        "WindowData",
    ]
    kinds = [kind for kind in load_schema().enums["V1LayerParameter.LayerType"] if kind != "NONE"]
    assert sorted(v1_name(kind) for kind in kinds) == expected
    assert v1_name("NONE") == ""


def test_v1_weights_specs() -> None:
    layer = one("""layers { name: "c" type: CONVOLUTION param: "w" param: "b" blob_share_mode: PERMISSIVE blobs_lr: 1
                   blobs_lr: 2 blobs_lr: 3 weight_decay: 0.5 include { phase: TRAIN }
                   convolution_param { num_output: 3 } }""")
    assert layer.kind == "Convolution"
    assert [(spec.name, spec.permissive, spec.lr_mult, spec.decay_mult) for spec in layer.specs] == [
        ("w", True, 1.0, 0.5),
        ("b", False, 2.0, None),
        ("", False, 3.0, None),
    ]
    assert layer.include[0].phase == "TRAIN"
    assert layer.param("convolution_param").integer("num_output") == 3


@pytest.mark.parametrize(
    ("kind", "name"), [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")]
)
def test_v1_transformation_fields_move(kind: str, name: str) -> None:
    layer = one(
        f'layers {{ type: {kind} {name} {{ scale: 0.5 mean_file: "m" crop_size: 3 mirror: true source: "s" }} }}'
    )
    transform = layer.param("transform_param")
    assert (transform.number("scale"), transform.text("mean_file"), transform.integer("crop_size")) == (0.5, "m", 3)
    assert transform.boolean("mirror")
    assert layer.param(name).fields() == ("source",)


def test_v1_data_without_transformation_stays() -> None:
    assert one('layers { type: DATA data_param { source: "s" } }').parameters.has("transform_param") is False


@pytest.mark.parametrize(
    "text",
    [
        "input: 'a' input: 'b' input_shape { dim: 1 dim: 2 } input_shape { dim: 3 } layer { name: 'x' }",
        "input: 'a' input_dim: [1, 2, 3, 4] layer { name: 'x' }",
    ],
)
def test_inputs_become_an_input_layer_in_front(text: str) -> None:
    net = net_from_text(text)
    assert [layer.kind for layer in net.layers] == ["Input", ""]
    shapes = [shape.integers("dim") for shape in net.layers[0].param("input_param").messages("shape")]
    assert shapes in ([(1, 2), (3,)], [(1, 2, 3, 4)])
    assert len(net.layers[0].tops) == len(shapes)
    assert net.parameters.fields() == ()


def test_inputs_without_a_size_are_named() -> None:
    net = net_from_text("input: 'a' input: 'b' layer { name: 'x' }")
    assert (net.inputs, len(net.layers)) == (("a", "b"), 1)
    assert any("without a size" in note for note in net.notes)


def test_batch_norm_statistics_are_never_trained() -> None:
    layer = one("layer { type: 'BatchNorm' param { lr_mult: 1 } param { decay_mult: 2 } param { name: 'n' } }")
    assert [(spec.name, spec.lr_mult, spec.decay_mult) for spec in layer.specs] == [("", 0, 0), ("", 0, 0), ("n", 0, 0)]
    assert one("layer { type: 'BatchNorm' param { lr_mult: 1 } }").specs[0].lr_mult == 1


@pytest.mark.parametrize("packed", [True, False])
def test_v0_binary_reads_like_its_text(tmp_path: Path, packed: bool) -> None:
    net = read_net(write(tmp_path / "old.caffemodel", encode_text(v0(WEIGHTS), packed=packed)))
    text = net_from_text(v0(WEIGHTS))
    assert [(layer.name, layer.kind, layer.bottoms) for layer in net.layers] == [
        (layer.name, layer.kind, layer.bottoms) for layer in text.layers
    ]
    for mine, other in zip(net.layers, text.layers, strict=True):
        assert mine.parameters.edited({}, ("blobs",)).same(other.parameters.edited({}, ("blobs",)))
        for blob, expected in zip(mine.blobs, other.blobs, strict=True):
            np.testing.assert_array_equal(blob.array(), expected.array())


ORACLE = """
import json, os, sys
os.environ["GLOG_minloglevel"] = "2"
import caffe
net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
net.save(sys.argv[3])
rows = lambda blobs: [[list(b.data.shape), b.data.ravel().tolist()] for b in blobs]
print(json.dumps({name: rows(blobs) for name, blobs in net.params.items()}))
"""


def oracle() -> str:
    """The Python of an environment with real Caffe (XIR_CAFFE_PYTHON); skips where there is none."""
    python = os.environ.get("XIR_CAFFE_PYTHON", "")
    if not python or not Path(python).exists():
        pytest.skip("real Caffe is not here: set XIR_CAFFE_PYTHON to a Python 3.8 with kendryte-caffe==1.0.0.20210829")
    return python


def test_real_caffe_reads_the_same_weights_from_v0_files(tmp_path: Path) -> None:
    python = oracle()
    text, model, saved = tmp_path / "v0.prototxt", tmp_path / "v0.caffemodel", tmp_path / "v2.caffemodel"
    write(text, v0())
    ones = ", ".join("1" * 288)
    inner = f"blobs {{ num: 1 channels: 1 height: 2 width: 144 data: [{ones}] }}"
    full = v0(WEIGHTS).replace("biasterm: false }", f"biasterm: false {inner} }}")
    write(model, encode_text(full))
    done = subprocess.run(
        [python, "-c", ORACLE, str(text), str(model), str(saved)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    mine = {layer.name: layer.blobs for layer in read(model, text).net.layers if layer.blobs}
    upgraded = {layer.name: layer for layer in read_net(saved).layers}
    assert sorted(theirs) == sorted(mine)
    for name, blobs in theirs.items():
        for (shape, values), blob, again in zip(blobs, mine[name], upgraded[name].blobs, strict=True):
            np.testing.assert_array_equal(np.ravel(blob.array()), np.array(values, dtype=np.float32))
            assert list(again.shape) == shape
    for layer in net_from_text(v0()).layers:
        theirs_now = upgraded[layer.name].parameters
        assert upgraded[layer.name].kind == layer.kind
        for field in layer.parameters.fields():
            if field.endswith("_param"):
                assert theirs_now.message(field).same(layer.param(field)), (layer, field)
