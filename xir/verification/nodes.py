"""Each node of an ONNX file alone in onnxruntime, on what the reference makes of the nodes before it.

A number next to the middle between two steps of a scale is rounded up by one runtime and down by another: onnxruntime
multiplies a sum by a float (MlasRequantizeOutput, onnxruntime/core/mlas/lib/quantize.cpp) and rounds once where it
joins `DequantizeLinear`, an operator and `QuantizeLinear` (its QDQ selectors). A net of many layers makes something
large of one step, an index of the largest number in particular. Where the outputs of quantised nets differ, their
nodes are therefore compared one by one: there nothing adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xir.files import read_bytes
from xir.frontends.load import load_model
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.limits import MAX_MESSAGE_BYTES
from xir.verification.compare import Difference, compare
from xir.verification.layers import values_of
from xir.verification.memory import check_held
from xir.verification.runners import OnnxRuntimeRunner

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED = frozenset({"dequantize", "dynamic_quantize", "quantize", "quantized_conv", "quantized_matmul"})
"""Operators of integers that stand for real numbers."""

_NARROW = frozenset({"int8", "uint8", "int16", "uint16"})
"""Types of quantised numbers, which may be one step beside the reference's."""

_CUT = "/alone"
"""What the results of the nodes are called, whose own names are those of inputs."""


def is_quantized(graph: Graph) -> bool:
    """Whether a graph computes with integers that stand for real numbers."""
    return any(node.op.name in QUANTIZED for node in graph.nodes)


def compare_nodes(
    path: str, feeds: Mapping[str, Array], expected: Mapping[str, Array], rtol: float, atol: float
) -> list[Difference]:
    """The difference of each result of each node in onnxruntime and in the reference, on the reference's operands.

    Behind them stand those of the whole file, run by the reference, from what its outputs shall be. Quantised numbers
    may be one step apart: each is rounded once. The absolute tolerance of real numbers is that of the largest one, as
    of layers.

    Args:
        path: the ONNX file, whose weights stand in it; no node is compared where they stand beside it.
        feeds: the inputs by name.
        expected: what the outputs shall be, by name.
        rtol: the relative tolerance of real numbers.
        atol: the absolute tolerance of real numbers.

    Raises:
        UnsafeError: if the results of all nodes need more memory than a comparison may take.
        MismatchError: if onnxruntime refuses a node.
    """
    from onnx import ModelProto

    model = ModelProto.FromString(read_bytes(path, MAX_MESSAGE_BYTES))
    if any(weights.data_location for weights in model.graph.initializer):
        return []
    graph = load_model(path).graph
    made = {name for node in model.graph.node for name in node.output}
    values = {name: value for value, name in graph.names.items() if name in made}
    values |= {name: value for name, value in zip(graph.output_names, graph.outputs, strict=True) if name in made}
    check_held(list(values.values()), list(values.values()))
    held, outputs = values_of(graph, set(values.values()), feeds)
    known = {name: held[value] for name, value in values.items() if value in held}
    _cut(model, known)
    results = OnnxRuntimeRunner(model.SerializeToString()).run({**feeds, **known})
    whole = [compare(name, array, outputs[name], rtol=rtol, atol=atol) for name, array in expected.items()]
    return [*(_compared(name, array, results[name + _CUT], rtol, atol) for name, array in known.items()), *whole]


def _cut(model: ModelProto, known: Mapping[str, Array]) -> None:
    """Makes inputs of all known results, which the nodes make under other names; these are the outputs."""
    from onnx import helper

    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name in known:
                node.output[place] = name + _CUT
    del model.graph.output[:], model.graph.value_info[:]
    for name, array in known.items():
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.input.append(helper.make_tensor_value_info(name, dtype, array.shape))
        model.graph.output.append(helper.make_tensor_value_info(name + _CUT, dtype, array.shape))


def _compared(name: str, expected: Array, actual: Array, rtol: float, atol: float) -> Difference:
    """The difference of one result."""
    if expected.dtype.name in _NARROW:
        return compare(name, expected, actual, rtol=0.0, atol=1.0)
    largest = float(np.abs(expected).max(initial=0.0)) if expected.dtype.kind == "f" else 1.0
    return compare(name, expected, actual, rtol=rtol, atol=atol * max(1.0, largest))
