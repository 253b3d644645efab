"""ONNX models made with onnx's own helper, for the tests of the importer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from xir.ir.constant import Array

IR_VERSION = 10


@dataclass(frozen=True)
class One:
    """A model of one node.

    Attributes:
        kind: its op_type.
        opset: the operator set.
        feeds: operands that are fed, by name.
        constants: operands that are initialisers, by name.
        inputs: the operands' names in order; by default those fed and then the constants.
        attributes: its attributes.
        outputs: how many.
        shapes: declared shapes of fed operands that differ from the arrays' (names for unknown sizes).
        note: for the test's name.
    """

    kind: str
    opset: int
    feeds: Mapping[str, Array]
    constants: Mapping[str, Array] = field(default_factory=dict[str, Array])
    inputs: Sequence[str] | None = None
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    outputs: int = 1
    shapes: Mapping[str, Sequence[int | str]] = field(default_factory=dict[str, Sequence[int | str]])
    note: str = ""

    def __str__(self) -> str:
        """Operator, opset and note."""
        return f"{self.kind}-{self.opset}{' ' if self.note else ''}{self.note}"

    def model(self) -> onnx.ModelProto:
        names = list(self.inputs if self.inputs is not None else [*self.feeds, *self.constants])
        made = [f"y{index}" for index in range(self.outputs)]
        node = helper.make_node(self.kind, names, made, name="node", **self.attributes)
        return model([node], self.feeds, self.constants, made, self.opset, self.shapes)


def model(
    nodes: Sequence[onnx.NodeProto],
    feeds: Mapping[str, Array],
    constants: Mapping[str, Array],
    outputs: Sequence[str],
    opset: int = 21,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
) -> onnx.ModelProto:
    """A model of some nodes; the outputs' types are left to inference."""
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), list((shapes or {}).get(name, array.shape))
        )
        for name, array in feeds.items()
    ]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "made", inputs, results, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)


def saved(made: onnx.ModelProto, folder: Path, name: str = "made.onnx") -> Path:
    """The model as a file."""
    path = folder / name
    path.write_bytes(made.SerializeToString(deterministic=True))
    return path


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def i64(*values: int) -> Array:
    return np.array(values, np.int64)
