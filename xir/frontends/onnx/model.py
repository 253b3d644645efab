"""The messages of an ONNX file as they stand there, known to no operator (onnx.proto of onnx 1.23)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from xir.files import FileSlice


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A TensorProto.

    Attributes:
        name: its name.
        dims: its shape.
        dtype: TensorProto.DataType, a number.
        raw: the bytes of raw_data, where they lie.
        values: the elements of a typed data field, as stored there (f16 as integers and so on).
        strings: the elements of string_data.
        external: where the bytes lie in another file: {key: value}, or None.
    """

    name: str
    dims: tuple[int, ...]
    dtype: int
    raw: FileSlice | None = None
    values: NDArray[np.generic] | None = None
    strings: tuple[bytes, ...] = ()
    external: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SparseTensor:
    """A SparseTensorProto.

    Attributes:
        values: the elements that are there, and the tensor's name.
        indices: where they stand: [count] places in the flat tensor, or [count, rank] coordinates.
        dims: the shape of the whole tensor.
    """

    values: Tensor
    indices: Tensor
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """One size: a number, a name, or neither."""

    value: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TypeInfo:
    """A TypeProto: a tensor (`shape` None: unknown number of axes), a sequence, an optional, a map, or something else.

    Attributes:
        kind: `tensor`, `sequence`, `optional`, `map`, or the name of what xir has not.
        dtype: of a tensor, or of the keys of a map.
        shape: of a tensor.
        element: of a sequence or an optional, or of the values of a map.
    """

    kind: str
    dtype: int = 0
    shape: tuple[Dimension, ...] | None = None
    element: TypeInfo | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ValueInfo:
    """A ValueInfoProto: a name and, when it is told, a type."""

    name: str
    type: TypeInfo | None


AttributeValue: TypeAlias = Union[
    int,
    float,
    bytes,
    Tensor,
    SparseTensor,
    TypeInfo,
    "OnnxGraph",
    tuple[int, ...],
    tuple[float, ...],
    tuple[bytes, ...],
    tuple["OnnxGraph", ...],
    None,
]
"""What an attribute holds; None for kinds that no operator of ONNX takes (lists of tensors, of sparse ones, of types)
and for an attribute that names one of its function's."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """An AttributeProto.

    Attributes:
        name: its name.
        kind: what it holds, in onnx.proto's word (`INTS`).
        value: what it holds.
        reference: the function attribute that it stands for, or an empty string.
    """

    name: str
    kind: str
    value: AttributeValue
    reference: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNode:
    """A NodeProto.

    Attributes:
        name: its name, which may be empty.
        kind: op_type.
        domain: the operator set's name; empty for ONNX's own.
        inputs: names of tensors; an empty one is absent.
        outputs: names of tensors; an empty one is not wanted.
        attributes: {name: attribute}.
        metadata: {key: value}.
        order: its position in the graph.
    """

    name: str
    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    metadata: Mapping[str, str]
    order: int

    @property
    def label(self) -> str:
        """Its name, or that of its first output."""
        return self.name or next((name for name in self.outputs if name), f"node {self.order}")


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """A GraphProto."""

    name: str
    nodes: tuple[OnnxNode, ...]
    initializers: tuple[Tensor | SparseTensor, ...]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFunction:
    """A FunctionProto: an operator that the file defines itself.

    Attributes:
        domain: the operator set's name.
        name: the operator's name, with `:overload` where it has one.
        inputs: names of its operands.
        outputs: names of its results.
        attributes: names of its attributes that have no default.
        defaults: its other attributes.
        nodes: what it does.
        opsets: {domain: version} for its nodes.
    """

    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    defaults: Mapping[str, Attribute]
    nodes: tuple[OnnxNode, ...]
    opsets: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxTraining:
    """A TrainingInfoProto; a graph that is not there is empty.

    Attributes:
        initialization: computes the weights with which training begins, or None.
        algorithm: what a step adds to the nodes of the model, or None.
        initialization_bindings: (initializer, output that it gets) pairs.
        update_bindings: likewise.
    """

    initialization: OnnxGraph | None
    algorithm: OnnxGraph | None
    initialization_bindings: tuple[tuple[str, str], ...]
    update_bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """A ModelProto.

    Attributes:
        path: the file's path as it was given.
        ir_version: the version of the file format.
        opsets: {domain: version}.
        graph: the graph.
        producer: who wrote it.
        metadata: {key: value}.
        functions: {(domain, name): a function}.
        training: the steps of training.
    """

    path: str
    ir_version: int
    opsets: Mapping[str, int]
    graph: OnnxGraph
    producer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    functions: Mapping[tuple[str, str], OnnxFunction] = field(default_factory=dict[tuple[str, str], OnnxFunction])
    training: tuple[OnnxTraining, ...] = ()

    def held_nodes(self) -> int:
        """How many nodes the file holds: of the graph, of functions, of training, and of bodies inside any of them."""
        count = 0
        stack = [self.graph.nodes, *(function.nodes for function in self.functions.values())]
        parts = (graph for step in self.training for graph in (step.initialization, step.algorithm))
        stack += [graph.nodes for graph in parts if graph is not None]
        while stack:
            nodes = stack.pop()
            count += len(nodes)
            for attribute in (attribute for node in nodes for attribute in node.attributes.values()):
                if attribute.kind in ("GRAPH", "GRAPHS"):
                    graphs = attribute.value if isinstance(attribute.value, tuple) else (attribute.value,)
                    stack.extend(graph.nodes for graph in graphs if isinstance(graph, OnnxGraph))
        return count
