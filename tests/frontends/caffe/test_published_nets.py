"""The published nets that declare their inputs: each becomes an ONNX file that computes what the reference does.

Most of the published files name no fillers, and Caffe's default, zeros, makes every answer zero, which proves nothing:
the nets get fillers of He's normal distribution instead, which keeps a signal at the same size through ReLUs however
deep the net is (He et al. 2015, https://arxiv.org/abs/1502.01852; Caffe's `msra`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

import xir
from tests.frontends.caffe.encoding import encode
from xir.frontends.caffe.message import Message, Value
from xir.frontends.caffe.prototext import parse_text
from xir.frontends.caffe.reader import read_net
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType
from xir.verification.compare import RTOL, compare
from xir.verification.runners import OnnxRuntimeRunner

NETS = (
    "bvlc/examples/cifar10/cifar10_full",
    "bvlc/examples/cifar10/cifar10_quick",
    "bvlc/examples/mnist/lenet",
    "bvlc/examples/net_surgery/bvlc_caffenet_full_conv",
    "bvlc/examples/net_surgery/conv",
    "bvlc/examples/siamese/mnist_siamese",
    "bvlc/models/bvlc_alexnet/deploy",
    "bvlc/models/bvlc_googlenet/deploy",
    "bvlc/models/bvlc_reference_caffenet/deploy",
    "bvlc/models/bvlc_reference_rcnn_ilsvrc13/deploy",
    "bvlc/models/finetune_flickr_style/deploy",
    *(f"convnet-benchmarks/caffe/imagenet_winners/{name}" for name in ("alexnet", "googlenet", "overfeat", "vgg_a")),
    *(f"convnet-benchmarks/caffe/proto_forceGradInput/conv{number}" for number in range(1, 6)),
    *(f"convnet-benchmarks/caffe/proto_noGradInput/conv{number}" for number in range(1, 6)),
    *(f"convnet-benchmarks/greentea/imagenet_winners/{name}" for name in ("alexnet", "googlenet", "overfeat", "vgg_a")),
)
"""Every net of the archive with an input whose shape it declares."""

FILLED = ("convolution_param", "inner_product_param")
"""The parameters of layers with weights."""


def _input(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """The first declared input of a net and its shape."""
    for layer in read_net(path).layers:
        if layer.kind == "Input":
            return layer.tops[0], layer.param("input_param").messages("shape")[0].integers("dim")
    return None


def _filler(owner: Message, **values: Value) -> list[Message]:
    return [Message(owner.schema, "FillerParameter", {name: (value,) for name, value in values.items()})]


def _with_fillers(net: Message) -> Message:
    """The net with drawn weights wherever it has weights; V1's and V2's layers keep them in the same messages."""
    changes: dict[str, Sequence[Value]] = {}
    for form in ("layer", "layers"):
        layers: list[Value] = []
        for layer in net.messages(form):
            drawn: dict[str, Sequence[Value]] = {}
            for name in layer.fields():
                if name in FILLED:
                    (own,) = layer.messages(name)
                    weights, bias = _filler(own, type="msra"), _filler(own, type="uniform", min=-0.1, max=0.1)
                    drawn[name] = [own.edited({"weight_filler": weights, "bias_filler": bias})]
            layers.append(layer.edited(drawn))
        changes[form] = layers
    return net.edited(changes)


def _assert_same(graph: Graph, path: Path) -> None:
    """The reference and onnxruntime, each output held against its own size: scores of 1000 classes are small."""
    feeds = xir.random_inputs(graph, 0)
    expected, actual = xir.run(graph, feeds), OnnxRuntimeRunner(str(path)).run(feeds)
    assert set(expected) == set(actual)
    for name, array in expected.items():
        assert np.isfinite(array).all()
        assert np.ptp(array) > 0.1 * np.abs(array).max(), f"{name} is the same everywhere, which any file can be"
        difference = compare(name, array, actual[name], rtol=RTOL, atol=1e-4 * float(np.abs(array).max()))
        assert difference.equal, difference


@pytest.mark.parametrize("net", NETS)
def test_exports_and_agrees_with_onnxruntime(net: str, corpus: Path, tmp_path: Path) -> None:
    """On one item; the file of half a gigabyte does not outlive its test."""
    with zipfile.ZipFile(corpus / "caffe_prototxts.zip") as archive:
        text = archive.read(f"{net}.prototxt").decode()
    source, written = tmp_path / "net.caffemodel", tmp_path / "net.onnx"
    source.write_bytes(encode(_with_fillers(parse_text(text, "NetParameter"))))
    found = _input(source)
    assert found is not None
    name, shape = found
    try:
        report = xir.convert(source, written, inputs={name: TensorType(DType.FLOAT32, (1, *shape[1:]))}, verify=False)
        onnx.checker.check_model(str(written), full_check=True)
        _assert_same(report.source.graph, written)
    finally:
        written.unlink(missing_ok=True)


def test_no_net_is_left_out(corpus: Path, tmp_path: Path) -> None:
    found: list[str] = []
    with zipfile.ZipFile(corpus / "caffe_prototxts.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".prototxt") and "solver" not in name:
                path = tmp_path / "net.prototxt"
                path.write_bytes(archive.read(name))
                if _input(path) is not None:
                    found.append(name.removesuffix(".prototxt"))
    assert sorted(found) == sorted(NETS)
