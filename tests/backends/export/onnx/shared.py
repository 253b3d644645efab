"""What the tests of the exporter share: small graphs, and the comparison of what a graph means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from xir.backends.export.onnx import ExportReport, export_onnx
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import Dim, Symbol, evaluate, symbols_of, to_text
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Value
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.passes import optimize


class Net:
    """A graph on its way: inputs and weights by name."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.parameters: list[Parameter] = []
        self.names: dict[Value, str] = {}

    def input(self, name: str, *shape: Dim, dtype: DType = DType.FLOAT32) -> Value:
        value = Value(TensorType(dtype, shape))
        self.inputs.append(value)
        self.names[value] = name
        return value

    def weight(self, name: str, array: Array) -> Value:
        constant = constant_of(array)
        value = Value(constant.type)
        self.parameters.append(Parameter(value, constant))
        self.names[value] = name
        return value

    def normal(self, name: str, *shape: int, seed: int = 0) -> Value:
        drawn = np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
        return self.weight(name, drawn)

    def graph(self, **outputs: Value) -> Graph:
        return Graph(
            "net",
            tuple(self.inputs),
            tuple(outputs.values()),
            tuple(outputs),
            tuple(self.parameters),
            self.names,
        )


class _Meaning:
    """Numbers for values and nameless symbols, in the order in which they are met."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.numbers: dict[Value, int] = {}
        self.symbols: dict[Symbol, Dim] = {}

    def size(self, dim: Dim) -> str:
        for symbol in symbols_of(dim):
            if symbol.name is None:
                self.symbols.setdefault(symbol, Symbol(f"?{len(self.symbols)}"))
        return to_text(evaluate(dim, self.symbols))

    def attribute(self, value: Attribute) -> object:
        match value:
            case Constant():
                return (value.type.dtype, value.shape, value.digest())
            case tuple():
                return tuple(self.attribute(item) for item in value)
            case Graph():
                return meaning(value, named=False)
            case None | bool() | int() | float() | str() | DType():
                return repr(value)
            case _:
                return self.size(value)

    def type(self, type: Type) -> object:
        match type:
            case TensorType(dtype, shape):
                return (dtype, tuple(self.size(dim) for dim in shape))
            case SequenceType(element):
                return ("sequence", self.type(element))
            case OptionalType(element):
                return ("optional", self.type(element))
            case MapType(key, element):
                return ("map", key, self.type(element))
            case UnrankedType(dtype):
                return (dtype, "any rank")

    def number(self, value: Value | None) -> object:
        if value is None:
            return None
        constant = self.graph.constant_of(value)
        if constant is not None:
            return (constant.dtype, constant.shape, constant.digest())
        return self.numbers.setdefault(value, len(self.numbers))


def meaning(graph: Graph, *, named: bool = True) -> list[object]:
    """What a graph computes, without names of inner values and without sources: equal lists, equal graphs.

    Equal literals are one initialiser in a file, so equal operators of them are one here. Inputs and outputs count by
    name, those of a body, which a file names anew, by place (`named=False`).
    """
    graph = optimize(graph, passes=["share_common"])
    on = _Meaning(graph)
    found: list[object] = [
        (graph.name_of(value) if named else "", on.type(value.type), on.number(value)) for value in graph.inputs
    ]
    for node in graph.nodes:
        if node.op.name == "constant":
            continue
        attributes = {name: on.attribute(value) for name, value in node.attributes.items()}
        operands = tuple(on.number(value) for value in node.inputs)
        results = tuple((on.number(value), on.type(value.type)) for value in node.outputs)
        found.append((node.op.name, operands, attributes, results))
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    return found + [(name if named else "", on.number(value)) for name, value in outputs]


def checked(graph: Graph, path: Path, **options: object) -> ExportReport:
    """Exports and runs ONNX's own checker with shape inference on the file."""
    import onnx

    report = export_onnx(graph, path, **options)  # type: ignore[arg-type]  # the test names them
    onnx.checker.check_model(str(path), full_check=True)
    return report


def by_onnxruntime(path: Path, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs of the file under onnxruntime, whatever their element types."""
    import onnxruntime

    from xir_conformance.runtimes.ort_values import has_extended, run_values

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if has_extended(session):
        return run_values(session, feeds)
    results = session.run(None, dict(feeds))
    return [cast("Array", array if isinstance(array, list | None) else np.asarray(array)) for array in results]
