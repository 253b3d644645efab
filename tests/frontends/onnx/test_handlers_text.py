"""Text in onnxruntime's own operator set, against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

TEXTS = np.array([["Hello World", "a,b c"]], object)
PLAIN: Mapping[str, object] = {"mark": 0, "pad_value": "", "mincharnum": 1}


def tokenizer(folder: Path, **words: object) -> Path:
    node = helper.make_node("Tokenizer", ["x"], ["y"], domain="com.microsoft", **words)  # type: ignore[arg-type]
    fed = helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 2])
    graph = helper.make_graph([node], "g", [fed], [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


@pytest.mark.parametrize(
    "words",
    [
        {**PLAIN, "separators": [" ", ","]},
        {**PLAIN, "separators": [" "], "tokenexp": "l+"},
        {**PLAIN, "tokenexp": "[a-z]+", "mark": 1, "pad_value": "<pad>"},
        {**PLAIN, "separators": [""]},
        {**PLAIN, "tokenexp": "[a-z]+", "mincharnum": 2},
    ],
)
def test_tokens_are_those_of_onnxruntime(tmp_path: Path, words: Mapping[str, object]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tokenizer(tmp_path, **words)
    (want,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": TEXTS})
    graph = import_onnx(path)
    feeds: dict[str, Array] = {"x": TEXTS}
    assert run(graph, feeds)["y"].tolist() == want.tolist()
    assert repr(graph.outputs[0].type) == "str[N,2,?]"


@pytest.mark.parametrize(
    "words",
    [PLAIN, {**PLAIN, "tokenexp": ""}, {"separators": [" "], "mark": 0, "mincharnum": 1}],
)
def test_what_says_too_little_is_refused(tmp_path: Path, words: Mapping[str, object]) -> None:
    with pytest.raises(InvalidModelError, match=r"must be given|pad_value"):
        import_onnx(tokenizer(tmp_path, **words))
