"""ONNX models of one operator of ai.onnx.ml (or of ONNX's own set, on text), for the tests of the importer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tests.frontends.onnx.models import saved
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run


@dataclass(frozen=True)
class Ml:
    """A model of one node.

    Attributes:
        kind: its op_type.
        version: that of its operator set.
        inputs: what is fed.
        attributes: its attributes.
        outputs: how many.
        domain: its operator set.
        note: for the test's name.
    """

    kind: str
    version: int
    inputs: Sequence[Array]
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    outputs: int = 1
    domain: str = "ai.onnx.ml"
    note: str = ""

    def __str__(self) -> str:
        """Operator, version and note."""
        return f"{self.kind}-{self.version}{' ' if self.note else ''}{self.note}"

    @property
    def feeds(self) -> dict[str, Array]:
        """What is fed, by name."""
        return {f"x{index}": array for index, array in enumerate(self.inputs)}

    def model(self) -> onnx.ModelProto:
        """The model."""
        made = [f"y{index}" for index in range(self.outputs)]
        node = helper.make_node(self.kind, list(self.feeds), made, domain=self.domain, name="node")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in self.attributes.items())
        inputs = [helper.make_tensor_value_info(name, element_type(a), a.shape) for name, a in self.feeds.items()]
        results = [onnx.ValueInfoProto(name=name) for name in made]
        graph = helper.make_graph([node], "made", inputs, results)
        opsets = [helper.make_opsetid("", 17 if self.domain else self.version)]
        if self.domain:
            opsets.append(helper.make_opsetid(self.domain, self.version))
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def computed(self, folder: Path) -> list[Array]:
        """What the reference makes of the model's file."""
        return list(run(import_onnx(saved(self.model(), folder)), self.feeds).values())

    def by_onnxruntime(self) -> list[Array]:
        """What onnxruntime makes of it."""
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        model = self.model().SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return [np.asarray(array) for array in session.run(None, self.feeds)]


def element_type(array: Array) -> int:
    return onnx.TensorProto.STRING if array.dtype == object else helper.np_dtype_to_tensor_dtype(array.dtype)


def text(*items: str) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def tensor(array: Array) -> onnx.TensorProto:
    """A tensor attribute."""
    flat = array.reshape(-1).tolist()
    return helper.make_tensor("t", element_type(array), array.shape, flat)


def assert_same(got: Sequence[object], want: Sequence[object], tolerance: float = 1e-5) -> None:
    """Checks results: text and whole numbers exactly, floats within `tolerance` or 1e-6."""
    assert len(got) == len(want)
    for have, expected in zip(got, want, strict=True):
        a, b = np.asarray(have), np.asarray(expected)
        if b.dtype.kind in "OU":
            assert a.tolist() == b.tolist()
            continue
        assert a.shape == b.shape
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=1e-6)
