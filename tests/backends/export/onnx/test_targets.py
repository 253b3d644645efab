"""Which versions are written: asked for, taken by a runtime, needed by the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.onnx.shared import Net, checked
from xir.backends.export.onnx.kernels import ort_1_31
from xir.backends.export.onnx.targets import IR_OF_OPSET, TARGETS, Target, choose, parse_target
from xir.errors import UnsupportedError, UsageError
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.constant import constant, identity
from xir.ops.conv import conv
from xir.ops.elementwise import cast, round_


def plain() -> Graph:
    net = Net()
    return net.graph(y=relu(net.input("x", 2)))


def narrow(dtype: DType) -> Graph:
    net = Net()
    x, w = net.input("x", 1, 1, 4, dtype=dtype), net.input("w", 1, 1, 2, dtype=dtype)
    words = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "input_dilation": (1,)}
    return net.graph(y=conv(x, w, groups=1, **words))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ({}, (21, 10)),
        ({"opset": 11}, (11, 6)),
        ({"opset": 26}, (26, 13)),
        ({"opset": 28}, (28, 14)),
        ({"opset": 13, "ir_version": 10}, (13, 10)),
        ({"target": "ort==1.31"}, (21, 10)),
        ({"target": "ort==1.14.1"}, (18, 8)),
        ({"target": "tensorrt==8.6"}, (17, 8)),
        ({"target": "opencv==4.13.0"}, (17, 8)),
        ({"target": "OpenVINO"}, (21, 10)),
        ({"target": "ort==1.31", "opset": 26}, (26, 13)),
    ],
)
def test_versions(words: dict[str, object], want: tuple[int, int], tmp_path: Path) -> None:
    report = checked(plain(), tmp_path / "m.onnx", **words)
    assert (report.opset, report.ir_version) == want


def test_the_default_is_raised_only_as_far_as_the_graph_needs(tmp_path: Path) -> None:
    report = checked(narrow(DType.BFLOAT16), tmp_path / "m.onnx")
    assert (report.opset, report.ir_version) == (22, 10)


def test_a_target_that_is_too_old_for_the_graph() -> None:
    with pytest.raises(UnsupportedError, match="Conv of opset 21 takes no bf16") as caught:
        choose(narrow(DType.BFLOAT16), None, None, "ort==1.18")
    assert caught.value.hint == "needs opset >= 22: add --opset 22"


def test_what_no_opset_says_is_refused_at_the_default() -> None:
    net = Net()
    x = net.input("x", 2, dtype=DType.COMPLEX64)
    with pytest.raises(UnsupportedError, match="Cast of opset 21 takes no c64") as caught:
        choose(net.graph(y=cast(x, dtype=DType.FLOAT32)), None, None, None)
    assert caught.value.problems[0].hint is None


def test_all_problems_at_once_with_what_helps() -> None:
    net = Net()
    x = net.input("x", 2, dtype=DType.BFLOAT16)
    with pytest.raises(UnsupportedError) as caught:
        choose(net.graph(a=round_(x), b=round_(round_(x))), 21, None, None)
    (problem,) = caught.value.problems
    assert (problem.kind, len(problem.layers), problem.hint) == ("round", 3, "needs opset >= 22: add --opset 22")
    assert caught.value.hint == problem.hint


def test_element_types_raise_the_ir_version(tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(y=identity(net.weight("w", np.array([1, 2]).astype(DType.INT4.dtype))))
    assert checked(graph, tmp_path / "m.onnx", opset=21).ir_version == 10
    literal = net.graph(z=constant(value=constant_of(np.array([1]).astype(DType.FLOAT4E2M1.dtype))))
    assert choose(literal, 23, None, None)[0].ir_version == 11
    weight = net.graph(z=identity(net.weight("f", np.array([1]).astype(DType.FLOAT4E2M1.dtype))))
    with pytest.raises(UnsupportedError, match="Identity of opset 21 takes no f4e2m1"):
        choose(weight, 21, None, "openvino")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"opset": 10}, "opset 10 is not written; expected 11 to 28"),
        ({"opset": 29}, "opset 29 is not written"),
        ({"opset": 22, "target": "ort==1.18"}, "takes opsets up to 21, not 22"),
        ({"target": "caffe2"}, "unknown target 'caffe2'; known are ort, openvino, tensorrt, opencv"),
        ({"target": "ort==new"}, "'new' is no version number"),
        ({"target": "ort==0.5"}, "older than what xir writes for"),
        ({"ir_version": 15}, "expected 3 to 14"),
        ({"ir_version": 2}, "expected 3 to 14"),
    ],
)
def test_versions_that_contradict(words: dict[str, object], text: str) -> None:
    chosen = {"opset": None, "ir_version": None, "target": None, **words}
    with pytest.raises(UsageError, match=text):
        choose(plain(), **chosen)  # type: ignore[arg-type]


def test_the_table_of_targets_only_grows() -> None:
    for name, releases in TARGETS.items():
        found = [releases[version] for version in sorted(releases)]
        assert found == sorted(found, key=lambda target: (target.opset, target.ir_version)), name
        assert all(target.ir_version >= IR_OF_OPSET[target.opset] for target in found), name
        assert parse_target(name) == found[-1]
    assert parse_target("ort==1.31") == Target(26, 13, ort_1_31)
    assert parse_target("ort == 2.0") == Target(26, 13, ort_1_31)
    assert parse_target("ort==1.30") == Target(23, 11)


def test_ir_versions_are_those_of_the_onnx_releases() -> None:
    from onnx import helper

    first: dict[int, int] = {}
    for _, ir_version, opset, *_ in helper.VERSION_TABLE:
        first.setdefault(opset, ir_version)
    assert {opset: first[opset] for opset in IR_OF_OPSET} == dict(IR_OF_OPSET)
