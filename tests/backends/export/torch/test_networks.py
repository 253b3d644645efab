"""Whole networks through PyTorch: Caffe's and ONNX's own files, and back again through torch.export."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import xir
from xir.errors import MissingExtraError
from xir.frontends.options import LoadOptions
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.shape import concat, reshape
from xir.verification import TorchRunner, has_torch

PROTOTXT = """
name: "tiny" input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool" pooling_param { kernel_size: 2 stride: 2 pool: AVE } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

with_torch = pytest.mark.skipif(not has_torch(), reason="PyTorch is not installed")


def tiny(folder: Path) -> Graph:
    (folder / "tiny.prototxt").write_text(PROTOTXT)
    return xir.load(folder / "tiny.prototxt", options=LoadOptions(fill_missing=True))


def test_without_pytorch_pt2_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.backends.export.torch._pt2.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        xir.export(tiny(tmp_path), tmp_path / "net.pt2")
    assert (caught.value.hint or "").startswith("pip install torch==")


def test_without_pytorch_nothing_is_verified_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir._job.has_torch", lambda: False)
    report = xir.convert(tiny(tmp_path), tmp_path / "net.py")
    assert report.certificate is None
    assert any("not verified" in note for note in report.notes)


@with_torch
def test_a_caffe_net_is_converted_and_verified(tmp_path: Path) -> None:
    report = xir.convert(tiny(tmp_path), tmp_path / "net.py")
    assert report.certificate is not None
    assert report.certificate.passed
    assert sorted(os.listdir(tmp_path)) == ["net.py", "net.safetensors", "tiny.prototxt"]


@with_torch
def test_caffe_to_module_to_torch_export_and_back(tmp_path: Path) -> None:
    graph = tiny(tmp_path)
    xir.export(graph, tmp_path / "net.pt2")
    again = xir.load(tmp_path / "net.pt2")
    feeds = xir.random_inputs(graph, seed=3)
    (wanted,) = xir.run(graph, feeds).values()
    (found,) = xir.run(again, dict(zip(again.input_names, feeds.values(), strict=True))).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@with_torch
def test_sizes_that_are_not_known_are_read_off_the_inputs(tmp_path: Path) -> None:
    n, m = Symbol("n"), Symbol("m")
    x, y = Value(TensorType(DType.FLOAT32, (n, 2))), Value(TensorType(DType.FLOAT32, (m, 2)))
    joined = reshape(concat(x, y, axis=0), shape=(2, n + m))
    graph = Graph("g", (x, y), (joined,), ("z",), (), {x: "x", y: "y"})
    xir.export(graph, tmp_path / "net.py")
    runner = TorchRunner(str(tmp_path / "net.py"))
    for sizes in ((1, 4), (3, 2), (0, 1)):
        feeds = {name: np.ones((size, 2), np.float32) for name, size in zip("xy", sizes, strict=True)}
        assert runner.run(feeds)["z"].shape == (2, sum(sizes))
