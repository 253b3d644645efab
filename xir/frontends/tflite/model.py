"""A TFLite file as plain data: subgraphs of operators over numbered tensors, with no knowledge of our operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.files import FileSlice
from xir.flatbuffer.read import Table


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a tensor's integers stand for real numbers: `scale * (q - zero_point)`.

    Attributes:
        scales: one, or one for each place of `axis`.
        zero_points: as many.
        axis: the quantised dimension.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True, slots=True, eq=False)
class SparseAxis:
    """One dimension of a sparse tensor: dense with a size, or as compressed rows (segments and indices)."""

    size: int
    segments: tuple[int, ...] | None
    indices: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Sparsity:
    """How the elements of a sparse tensor lie (schema.fbs, SparsityParameters)."""

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    axes: tuple[SparseAxis, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TfliteTensor:
    """One tensor of a subgraph.

    Attributes:
        name: its name, which need not be its own.
        shape: its sizes as they were at the conversion.
        signature: its sizes with -1 where the run decides; None where all of `shape` hold.
        dtype: the name of its TensorType.
        buffer: the number of the buffer with its elements.
        quantization: how its integers are to be read, or None.
        is_variable: whether it keeps its elements from one run to the next.
        sparsity: how its elements lie, where they are sparse.
    """

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None
    dtype: str
    buffer: int
    quantization: Quantization | None
    is_variable: bool
    sparsity: Sparsity | None


@dataclass(frozen=True, slots=True, eq=False)
class TfliteOperator:
    """One operator of a subgraph.

    Attributes:
        kind: the name of the builtin operator, or `CUSTOM:` and the custom operator's name.
        inputs: numbers of its tensors, -1 where one is left out.
        outputs: numbers of the tensors that it makes.
        options: the table of its options, or None.
        custom: the bytes of a custom operator's options.
        order: its place in the subgraph.
        intermediates: numbers of tensors that say how what it computes on the way is quantised.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes
    order: int
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """One graph of the file."""

    name: str
    tensors: tuple[TfliteTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[TfliteOperator, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A way to call the model: names for the inputs and outputs of one subgraph."""

    key: str
    subgraph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class TfliteModel:
    """A file.

    Attributes:
        path: where it was read.
        file: its name without the folder.
        description: what it says of itself.
        subgraphs: the first is the model, the others are bodies, or entries of signatures.
        buffers: the bytes of the tensors, None where a buffer is empty.
        signatures: the signatures.
        metadata: the sizes of what it holds besides, by name.
    """

    path: str
    file: str
    description: str
    subgraphs: tuple[Subgraph, ...]
    buffers: tuple[FileSlice | None, ...]
    signatures: tuple[Signature, ...]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
