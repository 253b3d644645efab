"""Nodes as the bytes of a GraphDef, and that as a SavedModel. Field numbers are those of TensorFlow's .proto files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from xir.backends.export.tensorflow._functions import Function
from xir.backends.export.tensorflow._nodes import Attribute, FunctionName, Node, Sizes, Texts, Types
from xir.backends.export.tensorflow._variables import Saver
from xir.backends.export.wire import begun, data, integer, single, text, varint
from xir.ir.constant import Constant
from xir.ir.dims import Shape
from xir.ir.types import DType, TensorType

TYPES: Mapping[DType, int] = MappingProxyType(
    {
        DType.FLOAT32: 1,
        DType.FLOAT64: 2,
        DType.INT32: 3,
        DType.UINT8: 4,
        DType.INT16: 5,
        DType.INT8: 6,
        DType.INT64: 9,
        DType.BOOL: 10,
        DType.BFLOAT16: 14,
        DType.UINT16: 17,
        DType.FLOAT16: 19,
        DType.UINT32: 22,
        DType.UINT64: 23,
    }
)
"""{element type: its number in DataType (types.proto)}."""

_NUMBERS = {**TYPES, DType.STRING: 7}
"""The same with texts, which are names of the file's own."""

_PRODUCER = 1087
"""The GraphDef version of what is written (core/public/version.h): TensorFlow 2.5, and all after it."""

_METHOD = "tensorflow/serving/predict"
SIGNATURE = "serving_default"


def shape_of(shape: Shape) -> bytes:
    """A TensorShapeProto; -1 for sizes that only the run tells."""
    return b"".join(data(2, integer(1, size if isinstance(size, int) else -1)) for size in shape)


def _tensor(held: Constant | Texts) -> bytes:
    """A TensorProto with its elements as they lie in memory, or one by one where they are texts."""
    if isinstance(held, Texts):
        texts, shape = ((held.texts,), ()) if isinstance(held.texts, str) else (held.texts, (len(held.texts),))
        elements = b"".join(text(8, each) for each in texts)
        return integer(1, _NUMBERS[DType.STRING]) + data(2, shape_of(shape)) + elements
    array = np.ascontiguousarray(held.array())
    return integer(1, TYPES[held.dtype]) + data(2, shape_of(held.shape)) + data(4, array.tobytes())


def _value(value: Attribute) -> bytes:
    """An AttrValue."""
    match value:
        case int():
            return integer(5 if isinstance(value, bool) else 3, value)
        case float():
            return single(4, value)
        case str():
            return text(2, value)
        case DType():
            return integer(6, _NUMBERS[value])
        case Types():
            return data(1, data(6, b"".join(varint(TYPES[each]) for each in value.types)))
        case Sizes():
            return _shaped(value.sizes)
        case FunctionName():
            return data(10, text(1, value.name))
        case Constant() | Texts():
            return data(8, _tensor(value))
        case _:
            return data(1, data(3, b"".join(map(varint, value))))


def _shaped(shape: Shape) -> bytes:
    return data(7, shape_of(shape))


def _node(node: Node) -> bytes:
    attributes = [(name, _value(value)) for name, value in node.attributes.items()]
    return (
        text(1, node.name)
        + text(2, node.op)
        + b"".join(text(3, name) for name in node.inputs)
        + b"".join(data(5, text(1, name) + data(2, value)) for name, value in attributes)
    )


def placeholder(name: str, type: TensorType) -> bytes:
    """A NodeDef of an input."""
    told = (("dtype", _value(type.dtype)), ("shape", _shaped(type.shape)))
    return (
        text(1, name) + text(2, "Placeholder") + b"".join(data(5, text(1, key) + data(2, held)) for key, held in told)
    )


def graph_def(placeholders: Iterable[bytes], nodes: Iterable[Node], functions: Sequence[Function]) -> list[bytes]:
    """A GraphDef, in pieces that follow one another."""
    pieces = [data(1, each) for each in placeholders] + [data(1, _node(each)) for each in nodes]
    library = b"".join(data(1, _function(each)) for each in functions)
    return [*pieces, data(2, library) if functions else b"", data(4, integer(1, _PRODUCER))]


def _function(function: Function) -> bytes:
    """A FunctionDef (function.proto)."""
    signature = text(1, function.name) + b"".join(
        data(number, text(1, name) + integer(3, TYPES[type]))
        for number, arguments in ((2, function.inputs), (3, function.outputs))
        for name, type in arguments
    )
    results = b"".join(data(4, text(1, name) + text(2, source)) for name, source in function.results)
    return data(1, signature) + b"".join(data(3, _node(node)) for node in function.nodes) + results


def _info(name: str, type: TensorType) -> bytes:
    """A TensorInfo."""
    reference = name if ":" in name else f"{name}:0"
    return text(1, reference) + integer(2, TYPES[type.dtype]) + data(3, shape_of(type.shape))


Border = Sequence[tuple[str, str, TensorType]]
"""Inputs or outputs: the name in the signature, the name in the graph, the type."""


def saved_model(graph: Sequence[bytes], inputs: Border, outputs: Border, saver: Saver | None) -> list[bytes]:
    """A SavedModel with one MetaGraph, tagged `serve`, with one signature, in pieces that follow one another.

    Args:
        graph: the pieces of its graph.
        inputs: what the signature takes.
        outputs: what it gives.
        saver: how the variables are read, where there are some.
    """
    signature = b"".join(
        data(number, text(1, key) + data(2, _info(name, type)))
        for number, border in ((1, inputs), (2, outputs))
        for key, name, type in border
    ) + text(3, _METHOD)
    pieces = [
        data(1, text(4, "serve")),
        begun(2, sum(map(len, graph))),
        *graph,
        b"" if saver is None else _saver(saver),
        data(5, text(1, SIGNATURE) + data(2, signature)),
    ]
    return [integer(1, 1), begun(2, sum(map(len, pieces))), *pieces]


def _saver(saver: Saver) -> bytes:
    """A SaverDef (saver.proto) of version 2, which writes bundles, and the collection of variables (variable.proto)."""
    told = text(1, f"{saver.file}:0") + text(2, f"{saver.saved}:0") + text(3, saver.restored) + integer(7, 2)
    listed = b"".join(
        data(
            1,
            text(1, f"{variable.name}:0")
            + text(2, assigned)
            + text(3, f"{variable.read}:0")
            + integer(5, 1)
            + text(6, f"{variable.read}:0")
            + integer(7, int(variable.constant.dtype.is_floating)),
        )
        for variable, assigned in saver.variables
    )
    return data(3, told) + data(4, text(1, "variables") + data(2, data(2, listed)))
