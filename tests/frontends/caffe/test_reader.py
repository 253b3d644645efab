"""Whole documents: structure, weights, other files by mistake, damage."""

from __future__ import annotations

import collections
import json
import os
import random
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.frontends.caffe.encoding import encode_blob, encode_text, field_bytes, write
from xir.errors import FileError, FormatError, InvalidModelError, UsageError, XirError
from xir.frontends.caffe.net import filter_net, phases
from xir.frontends.caffe.reader import Document, attach, net_from_text, read, read_mean, read_net, read_weights
from xir.frontends.caffe.schema import load_schema, make_field

TRAINED = """name: "n" layer { name: "data" type: "Data" top: "data" data_param { source: "x" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" phase: TEST inner_product_param { num_output: 2 }
        blobs { shape { dim: [2, 3] } data: [1, 2, 3, 4, 5, 6] } blobs { shape { dim: 2 } data: [7, 8] } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" top: "loss" blobs { shape { dim: 1 } data: 1 } }"""
DEPLOY = """layer { name: "in" type: "Input" top: "x" } layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" }
layer { name: "ip" type: "InnerProduct" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "p" }"""
MODELS = [
    "lenet/lenet_iter_10000",
    "mtcnn/det1",
    "mtcnn/det2",
    "mtcnn/det3",
    "wechat_qrcode/detect",
    "wechat_qrcode/sr",
]


def model(folder: Path, *, prototxt: str | None = None) -> Path:
    if prototxt is not None:
        write(folder / "m.prototxt", prototxt)
    return write(folder / "m.caffemodel", encode_text(TRAINED))


def test_a_caffemodel_alone_gives_its_training_net(tmp_path: Path) -> None:
    document = read(model(tmp_path))
    assert [layer.kind for layer in document.net.layers] == ["Data", "InnerProduct", "SoftmaxWithLoss"]
    assert (document.prototxt, document.weights, document.net.dialect) == (None, str(tmp_path / "m.caffemodel"), "bvlc")
    weight, bias = document.net.layers[1].blobs
    np.testing.assert_array_equal(weight.array(), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(bias.array(), [7, 8])
    assert document.net.layers[1].weights_file == document.weights
    assert document.net.layers[1].offset is not None


def test_structure_from_the_prototxt_and_weights_by_name(tmp_path: Path) -> None:
    document = read(model(tmp_path, prototxt=DEPLOY))
    assert [len(layer.blobs) for layer in document.net.layers] == [0, 2, 2, 0]
    assert (document.unused, document.absent) == (("loss",), ("in", "prob"))
    assert document.prototxt == str(tmp_path / "m.prototxt")
    assert document.net.layers[1].file == document.prototxt
    assert document.net.layers[1].weights_file == document.weights
    assert any("of the same name, is used" in note for note in document.notes)


def test_companion_may_be_switched_off_or_named(tmp_path: Path) -> None:
    path = model(tmp_path, prototxt=DEPLOY)
    other = write(tmp_path / "other.prototxt", "layer { name: 'only' }")
    assert read(path, companion=False).prototxt is None
    assert [layer.name for layer in read(path, other).net.layers] == ["only"]


def test_a_binary_prototxt_serves_as_structure(tmp_path: Path) -> None:
    binary = write(tmp_path / "net.binaryproto", encode_text(DEPLOY))
    assert read(binary).prototxt == str(binary)
    assert len(read(model(tmp_path), binary).net.layers[1].blobs) == 2


def test_a_prototxt_alone(tmp_path: Path) -> None:
    document = read(write(tmp_path / "d.prototxt", b"\xef\xbb\xbf" + DEPLOY.encode()))
    assert (document.weights, len(document.net.layers)) == (None, 4)


def test_comments_may_be_in_any_encoding(tmp_path: Path) -> None:
    assert read_net(write(tmp_path / "d.prototxt", b"# \xd6\xd0\nlayer { name: 'a' }")).layers[0].name == "a"


def test_gradients_and_unknown_fields_are_noted(tmp_path: Path) -> None:
    content = encode_text(TRAINED) + field_bytes(
        100, field_bytes(7, encode_blob(np.ones(1)) + field_bytes(6, bytes(4)) + field_bytes(50, b""))
    )
    notes = " ".join(read(write(tmp_path / "m.caffemodel", content)).notes)
    assert "gradients" in notes
    assert "unknown field BlobProto.50" in notes
    assert "gradients" in " ".join(read_weights(tmp_path / "m.caffemodel").notes)


def test_layers_of_one_name_are_noted(tmp_path: Path) -> None:
    weights = read_weights(write(tmp_path / "m.caffemodel", encode_text(TRAINED) + encode_text("layer { name: 'ip' }")))
    assert any("'ip' stands more than once" in note for note in weights.notes)


def test_attach_takes_weights_of_another_file(tmp_path: Path) -> None:
    net, unused, absent = attach(net_from_text(DEPLOY), read_weights(model(tmp_path)))
    assert (len(net.layers[1].blobs), unused, absent) == (2, ("loss",), ("in", "prob"))


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            "net: 'a.prototxt' base_lr: 0.1",
            "a solver's settings, not a net; its net is in 'a.prototxt'",
            "give 'a.prototxt' instead",
        ),
        ("train_net: 'a' test_net: 'b' max_iter: 3", "its net is in 'a' and 'b'", "give 'a' instead"),
        ("base_lr: 0.1 solver_mode: GPU", "a solver's settings, not a net", "the net's own prototxt"),
        ("item { name: 'x' label: 1 }", "a label map", "labels are not part"),
        ("type: 'ReLU' name: 'r'", "the fields of one layer", "layer { ... }"),
        ("num: 1 data: 1 channels: 1 height: 1 width: 1", "a mean", "the net's prototxt"),
        ("base_lr: 0.1 nonsense: 1", "has no field 'base_lr'", ""),
    ],
)
def test_other_texts_are_named(tmp_path: Path, text: str, what: str, hint: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(write(tmp_path / "s.prototxt", text))
    assert what in caught.value.message
    assert hint in str(caught.value.hint)


def test_other_binaries_are_named(tmp_path: Path) -> None:
    mean = write(tmp_path / "mean.binaryproto", encode_blob(np.ones((1, 3, 2, 2)), old=True))
    state = write(tmp_path / "s.solverstate", encode_text("iter: 3 learned_net: 'm'", "SolverState"))
    with pytest.raises(FormatError, match="is a mean"):
        read(mean)
    with pytest.raises(FormatError, match="a solver's state"):
        read(state)
    with pytest.raises(FormatError, match="a solver's state"):
        read(model(tmp_path), state)
    with pytest.raises(FormatError, match="text, not weights"):
        read_weights(write(tmp_path / "d.prototxt", DEPLOY))
    with pytest.raises(UsageError, match="is a prototxt itself"):
        read(tmp_path / "d.prototxt", tmp_path / "d.prototxt")
    with pytest.raises(FormatError, match="not a prototxt"):
        read(model(tmp_path), write(tmp_path / "x.h5", b"\x89HDF\r\n\x1a\n"))
    with pytest.raises(FileError):
        read(tmp_path / "absent")


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="repeated field"):
        read(write(tmp_path / "m.caffemodel", field_bytes(100, field_bytes(1, b"a") * 2)))


def test_read_mean(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    blob = read_mean(write(tmp_path / "mean.binaryproto", encode_blob(values, old=True)))
    np.testing.assert_array_equal(blob.array(), values)
    with pytest.raises(FormatError, match="is a net, not a mean"):
        read_mean(model(tmp_path))


def test_a_users_own_fields(tmp_path: Path) -> None:
    fields = [
        make_field("LayerParameter", "my_param", "MyParameter", number=5000),
        make_field("MyParameter", "gain", "float", number=1),
    ]
    schema = load_schema().extended(fields)
    net = net_from_text("layer { type: 'My' my_param { gain: 2 } }", schema=schema)
    assert net.layers[0].param("my_param").number("gain") == 2
    binary = write(tmp_path / "m.caffemodel", field_bytes(100, field_bytes(5000, b"\x0d\0\0\0\x40")))
    assert read_net(binary, schema=schema).layers[0].param("my_param").number("gain") == 2


@pytest.mark.parametrize("name", MODELS)
def test_real_models(corpus: Path, name: str) -> None:
    path = corpus / "caffe" / f"{name}.caffemodel"
    check_weights(read(path), path)
    check_weights(read(path, companion=False), path)


def test_open_nsfw(open_nsfw: Path) -> None:
    document = read(open_nsfw / "resnet_50_1by2_nsfw.caffemodel")
    assert document.prototxt == str(open_nsfw / "deploy.prototxt")
    assert document.absent == ("prob",)
    check_weights(document, open_nsfw / "resnet_50_1by2_nsfw.caffemodel")


def check_weights(document: Document, path: Path) -> None:
    """Every blob is finite, and together they are nearly all of the file."""
    total = sum(blob.nbytes for layer in document.net.layers for blob in layer.blobs)
    assert 0.8 < total / path.stat().st_size <= 1
    for layer in document.net.layers:
        for blob in layer.blobs:
            assert np.isfinite(blob.array()).all()


ORACLE = """
import os, sys
os.environ["GLOG_minloglevel"] = "2"
import hashlib, json
from caffe.proto import caffe_pb2
import numpy as np
net = caffe_pb2.NetParameter()
net.ParseFromString(open(sys.argv[1], "rb").read())
digest = lambda b: hashlib.sha256(np.array(b.data, dtype="<f4").tobytes()).hexdigest()
print(json.dumps([[l.name, l.type, list(l.bottom), list(l.top), [digest(b) for b in l.blobs]] for l in net.layer]))
"""


@pytest.mark.parametrize("name", MODELS)
def test_real_caffe_sees_the_same_layers_and_weights(corpus: Path, name: str) -> None:
    python = os.environ.get("XIR_CAFFE_PYTHON", "")
    if not python or not Path(python).exists():
        pytest.skip("real Caffe is not here: set XIR_CAFFE_PYTHON to a Python 3.8 with kendryte-caffe==1.0.0.20210829")
    import hashlib

    path = corpus / "caffe" / f"{name}.caffemodel"
    done = subprocess.run([python, "-c", ORACLE, str(path)], capture_output=True, text=True, check=True, timeout=120)
    mine = [
        [
            layer.name,
            layer.kind,
            list(layer.bottoms),
            list(layer.tops),
            [hashlib.sha256(blob.array().tobytes()).hexdigest() for blob in layer.blobs],
        ]
        for layer in read_net(path).layers
    ]
    assert mine == json.loads(done.stdout.splitlines()[-1])


def test_all_published_prototxts(corpus: Path, tmp_path: Path) -> None:
    seen: collections.Counter[str] = collections.Counter()
    with zipfile.ZipFile(corpus / "caffe_prototxts.zip") as archive:
        for name in archive.namelist():
            if not name.endswith(".prototxt"):
                continue
            path = write(tmp_path / "x.prototxt", archive.read(name))
            if "solver" in Path(name).name:
                with pytest.raises(FormatError, match="a solver's settings"):
                    read_net(path)
                seen["solver"] += 1
                continue
            net = read_net(path)
            seen[net.generation] += 1
            for phase in phases(net):
                assert filter_net(net, phase).layers
    assert seen == {"solver": 25, "V1": 18, "V2": 29}


def exit_code_of(path: Path) -> int:
    """0 where the file reads, else the exit code of the error; any other exception fails the test."""
    try:
        read(path)
    except XirError as error:
        return error.exit_code
    return 0


def test_damaged_files_end_in_one_error(corpus: Path, tmp_path: Path) -> None:
    whole = (corpus / "caffe" / "mtcnn" / "det1.caffemodel").read_bytes()
    generator = random.Random(0)
    for index in range(200):
        content = bytearray(whole)
        if index % 2:
            del content[generator.randrange(1, len(content)) :]
        for _ in range(index % 7):
            content[generator.randrange(min(len(content), 2000))] ^= 1 << generator.randrange(8)
        path = write(tmp_path / "x.caffemodel", bytes(content))
        assert exit_code_of(path) in (0, 3, 5, 8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_small_net_ends_in_one_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(encode_text(TRAINED))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert exit_code_of(write(tmp_path / "x.caffemodel", bytes(content))) in (0, 3, 5, 8)


def test_a_file_that_is_cut_short_says_so(tmp_path: Path) -> None:
    content = encode_text(TRAINED)
    with pytest.raises((FormatError, InvalidModelError), match="cut short"):
        read(write(tmp_path / "m.caffemodel", content[:-10]))
