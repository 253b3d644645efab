"""Small TFLite models: subgraphs put together operator by operator, written by the project's own writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xir.flatbuffer.schema import tflite_schema
from xir.flatbuffer.write import write_tflite

Arrays = Any

TYPES = {
    "float32": "FLOAT32",
    "float16": "FLOAT16",
    "float64": "FLOAT64",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "bool": "BOOL",
    "complex64": "COMPLEX64",
    "object": "STRING",
}


VERSIONS = {"BROADCAST_TO": 2}
"""Operators of which LiteRT has no version 1."""


@dataclass(frozen=True)
class Q:
    """A quantisation: one scale, or one for each place of an axis."""

    scale: float | tuple[float, ...]
    zero: int = 0
    axis: int = 0


@dataclass(frozen=True)
class Out:
    """A result: its element type, its quantisation, and its sizes where LiteRT does not find them itself."""

    dtype: str = "float32"
    q: Q | None = None
    shape: tuple[int, ...] = ()


@dataclass
class Subgraph:
    """One subgraph while it is put together; tensors are known by their numbers."""

    model: Model
    name: str = "main"
    tensors: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    operators: list[dict[str, Any]] = field(default_factory=list)

    def tensor(self, dtype: str, shape: Sequence[int], q: Q | None = None, buffer: int = 0, **more: Any) -> int:
        """A tensor."""
        content: dict[str, Any] = {
            "shape": tuple(shape),
            "type": TYPES.get(dtype, dtype),
            "buffer": buffer,
            "name": f"t{len(self.tensors)}",
        }
        if q is not None:
            scales = q.scale if isinstance(q.scale, tuple) else (q.scale,)
            content["quantization"] = {
                "scale": scales,
                "zero_point": (q.zero,) * len(scales),
                "quantized_dimension": q.axis,
            }
        self.tensors.append({**content, **more})
        return len(self.tensors) - 1

    def input(self, dtype: str, shape: Sequence[int], q: Q | None = None, **more: Any) -> int:
        """An input."""
        index = self.tensor(dtype, shape, q, **more)
        self.inputs.append(index)
        return index

    def constant(self, array: Any, q: Q | None = None, **more: Any) -> int:
        """A tensor whose elements the file holds."""
        held = np.asarray(array)
        return self.tensor(str(held.dtype), held.shape, q, self.model.buffer(packed(held)), **more)

    def op(
        self,
        kind: str,
        operands: Sequence[int | None],
        results: Sequence[Out] = (Out(),),
        options: dict[str, Any] | None = None,
        custom: bytes = b"",
        **more: Any,
    ) -> list[int]:
        """An operator; `options` is {table: its fields}."""
        made = [self.tensor(each.dtype, each.shape, each.q) for each in results]
        content: dict[str, Any] = {
            "opcode_index": self.model.code(kind),
            "inputs": tuple(-1 if index is None else index for index in operands),
            "outputs": tuple(made),
            **more,
        }
        if options is not None:
            (table,) = options
            newer = table in tflite_schema().numbers["BuiltinOptions2"]
            content["builtin_options2" if newer else "builtin_options"] = options
        if custom:
            content["custom_options"] = custom
        self.operators.append(content)
        return made

    def content(self) -> dict[str, Any]:
        """The table."""
        return {
            "tensors": tuple(self.tensors),
            "inputs": tuple(self.inputs),
            "outputs": tuple(self.outputs),
            "operators": tuple(self.operators),
            "name": self.name,
        }


class Model:
    """A file while it is put together."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.buffers: list[bytes] = [b""]
        self.subgraphs: list[Subgraph] = []

    def code(self, kind: str) -> int:
        """The number of an operator's code; `CUSTOM:name` is a custom one."""
        if kind not in self.codes:
            self.codes.append(kind)
        return self.codes.index(kind)

    def buffer(self, data: bytes) -> int:
        """The number of a buffer with these bytes."""
        self.buffers.append(data)
        return len(self.buffers) - 1

    def subgraph(self, name: str = "main") -> Subgraph:
        """One more subgraph."""
        self.subgraphs.append(Subgraph(self, name))
        return self.subgraphs[-1]

    def content(self) -> dict[str, Any]:
        """The table `Model`."""
        numbers = tflite_schema().numbers["BuiltinOperator"]
        codes = []
        for kind in self.codes:
            name, _, custom = kind.partition(":")
            code = {
                "deprecated_builtin_code": min(numbers[name], 127),
                "builtin_code": numbers[name],
                "version": VERSIONS.get(name, 1),
            }
            codes.append({**code, "custom_code": custom} if custom else code)
        return {
            "version": 3,
            "operator_codes": tuple(codes),
            "subgraphs": tuple(each.content() for each in self.subgraphs),
            "buffers": tuple({"data": each} if each else {} for each in self.buffers),
        }

    def data(self) -> bytes:
        """The file."""
        return write_tflite(self.content())


def packed(array: Any) -> bytes:
    """The bytes of a tensor as TFLite holds them."""
    if array.dtype != object:
        return np.ascontiguousarray(array).tobytes()
    texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.reshape(-1).tolist()]
    ends = np.cumsum([0, *map(len, texts)]) + 4 * (len(texts) + 2)
    return np.int32(len(texts)).tobytes() + ends.astype(np.int32).tobytes() + b"".join(texts)


@dataclass(frozen=True)
class Fed:
    """An operand that is fed."""

    array: Any
    q: Q | None = None


@dataclass(frozen=True)
class Held:
    """An operand that the file holds."""

    array: Any
    q: Q | None = None


@dataclass(frozen=True)
class Case:
    """A model with what it is fed.

    Attributes:
        name: its own name.
        data: the file.
        feeds: the inputs in order.
        tolerance: how far a real result may be from LiteRT's, of the largest one.
        steps: how far an integer may be.
    """

    name: str
    data: bytes
    feeds: tuple[Any, ...]
    tolerance: float = 2e-6
    steps: int = 0


def single(
    kind: str,
    *operands: Fed | Held | None,
    options: dict[str, Any] | None = None,
    results: Sequence[Out] = (Out(),),
    name: str = "",
    custom: bytes = b"",
    tolerance: float = 2e-6,
) -> Case:
    """A model of one operator."""
    model = Model()
    graph = model.subgraph()
    indices: list[int | None] = []
    feeds: list[Any] = []
    for operand in operands:
        if isinstance(operand, Fed):
            array = np.asarray(operand.array)
            indices.append(graph.input(str(array.dtype), array.shape, operand.q))
            feeds.append(array)
        else:
            indices.append(None if operand is None else graph.constant(operand.array, operand.q))
    graph.outputs += graph.op(kind, indices, results, options, custom)
    is_quantised = any(each.q is not None for each in results)
    label = kind + (f" {name}" if name else "")
    return Case(label, model.data(), tuple(feeds), tolerance, int(is_quantised))
