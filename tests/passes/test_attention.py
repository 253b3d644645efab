"""Attention is made for opsets that have it, and for no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.passes.examples_fusions import attended
from tests.passes.helpers import Net
from xir.api import convert
from xir.passes import ATTENTION_OPSET
from xir.reference import random_inputs, run


@pytest.mark.parametrize(("opset", "made"), [(None, False), (ATTENTION_OPSET - 1, False), (ATTENTION_OPSET, True)])
def test_attention_is_made_for_opsets_that_have_it(opset: int | None, made: bool, tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(*attended(net, mask=(2, 1, 1, 5)))
    report = convert(graph, tmp_path / "m.onnx", opset=opset)
    operators = report.export.operators
    assert operators.get("Attention", 0) == made
    assert operators.get("MatMul", 0) == (0 if made else 2)
    feeds = random_inputs(graph, 0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", options, providers=["CPUExecutionProvider"])
    (have,) = session.run(None, feeds)
    np.testing.assert_allclose(have, run(graph, feeds)["out0"], rtol=1e-4, atol=1e-5)
