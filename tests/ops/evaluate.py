"""Running one operator on arrays, by its reference, by its decomposition, and by onnxruntime's operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import helper

from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType, Type, dtype_from_numpy
from xir.ops import OpDef
from xir.reference import run

Operator = Callable[..., "Value | tuple[Value, ...]"]


def placeholders(*arrays: Array | None, types: Sequence[Type | None] | None = None) -> list[Value | None]:
    """A free value for each array, of its type; of the given types where there are any."""
    if types is not None:
        return [None if type is None else Value(type) for type in types]
    return [None if a is None else Value(TensorType(dtype_from_numpy(a.dtype), a.shape)) for a in arrays]


def evaluate_all(operator: Operator, *arrays: Array | None, **attributes: object) -> tuple[Array, ...]:
    """The results of the operator (or of any function that builds a graph) on the arrays."""
    values = placeholders(*arrays)
    results = operator(*values, **attributes)
    outputs = results if isinstance(results, tuple) else (results,)
    inputs = tuple(value for value in values if value is not None)
    names = {value: f"in{index}" for index, value in enumerate(inputs)}
    graph = Graph(
        "test", inputs, tuple(outputs), names=names, output_names=tuple(f"out{i}" for i in range(len(outputs)))
    )
    feeds = {f"in{index}": array for index, array in enumerate(a for a in arrays if a is not None)}
    return tuple(run(graph, feeds).values())


def evaluate(operator: Operator, *arrays: Array | None, **attributes: object) -> Array:
    """The only result of the operator on the arrays."""
    (result,) = evaluate_all(operator, *arrays, **attributes)
    return result


def onnx_results(
    kind: str, arrays: Sequence[Array | None], results: int = 1, opset: int = 21, **attributes: object
) -> list[Array]:
    """What onnxruntime computes for one ONNX operator."""
    import onnxruntime

    present = [(f"in{index}", array) for index, array in enumerate(arrays) if array is not None]
    names = ["" if array is None else f"in{index}" for index, array in enumerate(arrays)]
    outputs = [f"out{index}" for index in range(results)]
    node = helper.make_node(kind, names, outputs, **attributes)
    inputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in present]
    made = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", inputs, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, dict(present))]


def decomposed(operator: OpDef[..., Value] | OpDef[..., tuple[Value, ...]]) -> Operator:
    """The operator's decomposition as a function that builds a graph; looked up when it is called."""

    def build(*inputs: Value | None, **attributes: object) -> Value | tuple[Value, ...]:
        rule = operator.decompose_rule
        if rule is None:
            raise AssertionError(f"{operator.name} has no decomposition")
        result = rule(*inputs, **operator.attributes(attributes))
        return result if isinstance(result, Value) else tuple(result)

    return build
