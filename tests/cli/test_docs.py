"""The examples of docs/commands.md and docs/weights.md, run in their order in one folder."""

from __future__ import annotations

import re
import shlex
import warnings

import numpy as np

import xir
from tests.cli.commands import REPOSITORY, call, small
from tests.frontends.torch.pickles.checkpoints import floats, storage, tensor, zip_bytes
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.matmul import matmul


def test_the_examples_of_the_manual_work(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(tmp_path, name="model.prototxt")
    text = (REPOSITORY / "docs" / "commands.md").read_text()
    lines = re.findall(r"^\$ xir (.+)$", text, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        done = call(capsys, *shlex.split(line, comments=True))
        assert done.code == 0, f"xir {line}: {done.err}"


def test_the_examples_of_weights_work(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = Value(TensorType(DType.FLOAT32, (1, 2)))
    weight = constant_of(np.zeros((2, 3), np.float32))
    held = Parameter(Value(weight.type), weight)
    graph = Graph("net", (x,), (matmul(x, held.value),), ("y",), (held,), {x: "x", held.value: "fc.weight"})
    xir.export(graph, "net.onnx")
    stored = floats(6)
    value = {
        "epoch": 12,
        "state_dict": {"module.fc.weight": tensor(storage("0", stored), (2, 3))},
        "optimizer": {"state": [tensor(storage("0", stored), (6,))]},
    }
    (tmp_path / "epoch_12.ckpt").write_bytes(zip_bytes(value, {"0": stored}))
    text = (REPOSITORY / "docs" / "weights.md").read_text()
    lines = re.findall(r"^\$ xir (.+)$", text, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        done = call(capsys, *shlex.split(line, comments=True))
        assert done.code == 0, f"xir {line}: {done.err}"
    (example,) = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(example, names)
    assert names["outputs"]["y"].any()
    assert names["report"].tensors == 1
