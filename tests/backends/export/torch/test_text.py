"""What a module of PyTorch looks like, without PyTorch."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from xir import export
from xir.backends.export.torch import FORMS, plan_module
from xir.errors import UnsupportedError, UsageError
from xir.files import open_mapped
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops import table
from xir.ops.activation import relu
from xir.ops.conv import conv
from xir.ops.elementwise import add
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import softmax
from xir.ops.pool import max_pool
from xir.ops.shape import broadcast, reshape
from xir.ops.strings import string_concat
from xir.text.safetensors import SafetensorsFile

GOLDEN = '''"""A network for PyTorch, written by xir; the file of weights lies beside this one.

    from net import Net

    net = Net.load()
    result = net(data)
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

WEIGHTS = "net.safetensors"


class Net(nn.Module):
    # "lenet.prototxt"
    INPUTS = ("data",)
    OUTPUTS = ("prob",)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, stride=2, padding=2)
        self.ip1 = nn.Linear(64, 3)

    def forward(self, data):
        # data: float32[?, 1, 16, 16]
        conv1 = self.conv1(data)  # ?, 4, 8, 8
        relu = F.relu(conv1)  # ?, 4, 8, 8
        max_pool = F.max_pool2d(relu, 2, 2)  # ?, 4, 4, 4
        reshape = torch.flatten(max_pool, 1)  # ?, 64
        gemm = self.ip1(reshape)  # ?, 3
        softmax = torch.softmax(gemm, 1)  # ?, 3
        return softmax

    @classmethod
    def load(cls, path=None):
        """The network with its weights, ready to run: those at `path`, else those beside this file."""
        net = cls()
        net.load_state_dict(load_file(path or Path(__file__).with_name(WEIGHTS)))
        return net.eval()
'''


def tensor(*shape: int | Symbol, dtype: DType = DType.FLOAT32) -> Value:
    return Value(TensorType(dtype, shape))


def weight(*shape: int) -> Parameter:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 16
    constant = constant_of(array)
    return Parameter(Value(constant.type), constant)


def source(layer: str) -> Source:
    return Source("caffe", "lenet.prototxt", layer, "Layer")


def small_net(layer: str = "conv1") -> Graph:
    x = tensor(Symbol("batch"), 1, 16, 16)
    w, b, v, c = weight(4, 1, 5, 5), weight(4), weight(3, 64), weight(3)
    pair = ((2, 2), (2, 2))
    with sourced(source(layer)):
        y = conv(x, w.value, b.value, strides=(2, 2), padding=pair, dilation=(1, 1), input_dilation=(1, 1), groups=1)
    names = {x: "data", y: layer, w.value: f"{layer} w", b.value: "b", v.value: "v", c.value: "c"}
    y = max_pool(relu(y), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1))
    y = reshape(y, shape=(x.shape[0], 64))
    with sourced(source("ip1")):
        bias = broadcast(c.value, shape=(x.shape[0], 3))
        y = gemm(y, v.value, bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    return Graph("lenet", (x,), (softmax(y, axis=1),), ("prob",), (w, b, v, c), names)


def test_the_text_is_this(tmp_path: Path) -> None:
    report = export(small_net(), tmp_path / "net.py")
    assert (tmp_path / "net.py").read_text() == GOLDEN
    assert (report.format, report.weights, report.operators["conv"]) == ("py", 4, 1)


def test_the_weights_have_the_names_of_the_layers(tmp_path: Path) -> None:
    export(small_net(), tmp_path / "net.py")
    file = SafetensorsFile(open_mapped(tmp_path / "net.safetensors"))
    assert sorted(file.tensors) == ["conv1.bias", "conv1.weight", "ip1.bias", "ip1.weight"]
    assert file.tensors["ip1.weight"].shape == (3, 64)


HOSTILE = (
    '"""\nimport os',
    "');import os#",
    "a\u2028b\x00",
    "{device}",
    "${x}",
    "class",
    "forward",
    "__init__",
    "9",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_model_is_code(name: str, tmp_path: Path) -> None:
    graph = small_net(name)
    export(graph, tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text("ascii")
    tree = ast.parse(text)
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.Import | ast.ImportFrom)]
    imported = {each.names[0].name for each in imports}
    assert imported == {"Path", "torch", "load_file", "nn", "functional"}
    assert {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)} == {
        "__init__",
        "forward",
        "load",
    }


def test_a_weight_that_two_layers_read_is_one(tmp_path: Path) -> None:
    x, w = tensor(2, 3), weight(3, 3)
    once = gemm(x, w.value, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    twice = gemm(once, w.value, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    y = matmul(twice, w.value)
    export(Graph("shared", (x,), (y,), ("y",), (w,), {x: "x", w.value: "w"}), tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text()
    assert "self.w = nn.Parameter(torch.empty([3, 3], dtype=torch.float32))" in text
    assert text.count("F.linear(") == 2


def test_all_that_has_no_form_is_told_at_once() -> None:
    x = tensor(2, dtype=DType.STRING)
    y = string_concat(x, x)
    with pytest.raises(UnsupportedError, match="PyTorch"):
        plan_module(Graph("text", (x,), (y,), ("y",), (), {x: "x"}))


def test_versions_are_for_onnx(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export(small_net(), tmp_path / "net.py", opset=17)


def test_every_form_is_of_an_operator() -> None:
    assert set(FORMS.names()) <= set(table())


def tower(sizes: list[int]) -> Graph:
    """Residual blocks of the widths, each a product, an activation, a product and a sum."""
    x = tensor(2, sizes[0])
    y, weights = x, list[Parameter]()
    for size in sizes:
        first, second = weight(size, size), weight(size, size)
        weights += [first, second]
        inner = relu(matmul(y, first.value))
        y = add(matmul(inner, second.value), y)
    return Graph("tower", (x,), (y,), ("y",), tuple(weights), {x: "x"})


def test_blocks_that_repeat_are_one_class(tmp_path: Path) -> None:
    export(tower([4, 4, 4]), tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text()
    assert text.count("(nn.Module):") == 2
    assert text.count("= Block1()") == 3
    file = SafetensorsFile(open_mapped(tmp_path / "net.safetensors"))
    assert len(file.tensors) == 6


def test_a_block_whose_weights_are_read_elsewhere_too_stays(tmp_path: Path) -> None:
    x, w = tensor(2, 4), weight(4, 4)
    y = x
    for _ in range(3):
        y = add(matmul(relu(matmul(y, w.value)), w.value), y)
    export(Graph("tied", (x,), (y,), ("y",), (w,), {x: "x", w.value: "w"}), tmp_path / "net.py")
    assert "Block" not in (tmp_path / "net.py").read_text()
