"""A TFLite file as plain data: bytes in, subgraphs out; weights stay in the file."""

from __future__ import annotations

import os

from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.files import FileSlice, MappedFile, PathLike, open_mapped
from xir.flatbuffer.read import Buffer, Table
from xir.flatbuffer.schema import IDENTIFIER, tflite_schema
from xir.frontends.tflite.model import (
    Quantization,
    Signature,
    SparseAxis,
    Sparsity,
    Subgraph,
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
)
from xir.limits import MAX_MESSAGE_BYTES, MEBI, check_present, check_rank, check_size

VERSION = 3
"""The schema's version since 2017 (schema.fbs); older ones are no longer read by LiteRT either."""

_MAX_CUSTOM = 16 * MEBI
"""Bytes of the options of one custom operator."""

_PLACEHOLDER = 127
"""What the old, narrow field of an operator's code holds where the code is larger (schema.fbs, OperatorCode)."""


def looks_like_tflite(file: MappedFile) -> bool:
    """Whether the file has TFLite's identifier behind the offset of its first table."""
    return file.size >= 8 and file.read_at(4, 4) == IDENTIFIER


def read_tflite(path: PathLike) -> TfliteModel:
    """The file at `path`.

    Raises:
        FormatError: it is no TFLite file, or one of an old version.
        InvalidModelError: an offset leaves the file, or its parts contradict each other.
        UnsupportedError: it holds something that xir does not know.
        UnsafeError: it asks for more than its size justifies.
    """
    file = open_mapped(path)
    name = os.path.basename(file.path)
    view = file.view()
    try:
        # All but buffers that stand behind the flatbuffer lie within what its 32-bit distances reach.
        return _Reader(file, Buffer(view[: MAX_MESSAGE_BYTES + 1], tflite_schema(), name), name).model()
    finally:
        view.release()


class _Reader:
    def __init__(self, file: MappedFile, buffer: Buffer, name: str) -> None:
        self.file = file
        self.name = name
        self.root = buffer.root("Model", IDENTIFIER)

    def model(self) -> TfliteModel:
        root = self.root
        known = set(root.given())
        if root.integer("version") != VERSION:
            raise FormatError(f"the schema's version is {root.integer('version')}; xir reads {VERSION}", file=self.name)
        if "external_buffers" in known or "external_buffer_groups" in known:
            raise UnsupportedError("weights in files of their own", file=self.name)
        codes = tuple(self._code(table) for table in root.tables("operator_codes"))
        buffers = tuple(self._buffer(table, index) for index, table in enumerate(root.tables("buffers")))
        subgraphs = tuple(self._subgraph(table, codes) for table in root.tables("subgraphs"))
        if not subgraphs:
            raise InvalidModelError("the file holds no subgraph", file=self.name)
        return TfliteModel(
            self.file.path,
            self.name,
            root.text("description") or "",
            subgraphs,
            buffers,
            tuple(self._signature(table, subgraphs) for table in root.tables("signature_defs")),
            self._metadata(root, buffers),
        )

    def _code(self, table: Table) -> str:
        """The kind of an operator: the wider of the two fields that hold its code."""
        list(table.given())
        old, new = table.integer("deprecated_builtin_code"), table.integer("builtin_code")
        number = max(old, new)
        kind = table.buffer.schema.names["BuiltinOperator"].get(number)
        if kind is None or (old == _PLACEHOLDER and new < _PLACEHOLDER):
            raise UnsupportedError(f"operator code {number} is unknown", file=self.name)
        if kind != "CUSTOM":
            return kind
        return f"CUSTOM:{table.text('custom_code') or ''}"

    def _buffer(self, table: Table, index: int) -> FileSlice | None:
        """Elements in the flatbuffer, or behind it, from an offset of the file on (schema.fbs, Buffer)."""
        list(table.given())
        what = f"buffer {index}"
        offset, size = table.integer("offset"), table.integer("size")
        if offset > 1:
            return self.file.slice(offset, size, what=what)
        raw = table.raw("data")
        if raw is None or not raw.length:
            return None
        return self.file.slice(raw.offset, raw.length, what=what)

    def _subgraph(self, table: Table, codes: tuple[str, ...]) -> Subgraph:
        list(table.given())
        tensors = tuple(self._tensor(each) for each in table.tables("tensors"))
        operators = tuple(
            self._operator(each, codes, len(tensors), order) for order, each in enumerate(table.tables("operators"))
        )
        inputs = self._indices(table, "inputs", len(tensors), 0)
        outputs = self._indices(table, "outputs", len(tensors), 0)
        return Subgraph(table.text("name") or "", tensors, inputs, outputs, operators)

    def _indices(self, table: Table, name: str, count: int, least: int) -> tuple[int, ...]:
        found = table.integers(name)
        wrong = [index for index in found if not least <= index < count]
        if wrong:
            raise InvalidModelError(
                f"field {name!r} of {table.name} names tensor {wrong[0]} of {count}", number=504, file=self.name
            )
        return found

    def _tensor(self, table: Table) -> TfliteTensor:
        list(table.given())
        name = table.text("name") or ""
        if table.integer("external_buffer"):
            raise UnsupportedError("weights in files of their own", file=self.name, layer=name)
        shape, signature = table.integers("shape"), table.numbers("shape_signature")
        check_rank(len(shape), what=f"tensor {name!r}", file=self.name)
        if signature is not None and len(signature) != len(shape):
            signature = signature if signature else None
        return TfliteTensor(
            name,
            shape,
            None if signature is None else tuple(int(size) for size in signature),
            table.word("type"),
            table.integer("buffer"),
            self._quantization(table.table("quantization"), name),
            bool(table.integer("is_variable")),
            self._sparsity(table.table("sparsity")),
        )

    def _quantization(self, table: Table | None, name: str) -> Quantization | None:
        if table is None:
            return None
        list(table.given())
        kind = table.word("details_type")
        if kind != "NONE":
            raise UnsupportedError(
                f"quantisation of the kind {kind}",
                file=self.name,
                layer=name,
                hint="quantise the weights by channels, not by blocks or several axes",
            )
        scales = tuple(float(scale) for scale in table.numbers("scale") or ())
        if not scales:
            return None
        points = table.integers("zero_point") or (0,) * len(scales)
        if len(points) == 1:
            points *= len(scales)
        if len(points) != len(scales):
            raise InvalidModelError(f"tensor {name!r} has {len(scales)} scales and {len(points)} zero points")
        return Quantization(scales, points, table.integer("quantized_dimension"))

    def _sparsity(self, table: Table | None) -> Sparsity | None:
        if table is None:
            return None
        list(table.given())
        axes = tuple(self._sparse_axis(each) for each in table.tables("dim_metadata"))
        return Sparsity(table.integers("traversal_order"), table.integers("block_map"), axes)

    def _sparse_axis(self, table: Table) -> SparseAxis:
        list(table.given())
        if table.word("format") == "DENSE":
            return SparseAxis(table.integer("dense_size"), None, None)
        segments, indices = table.table("array_segments"), table.table("array_indices")
        if segments is None or indices is None:
            raise InvalidModelError("a sparse dimension without segments or indices", file=self.name)
        return SparseAxis(0, segments.integers("values"), indices.integers("values"))

    def _operator(self, table: Table, codes: tuple[str, ...], count: int, order: int) -> TfliteOperator:
        list(table.given())
        code = table.integer("opcode_index")
        if code >= len(codes):
            raise InvalidModelError(f"operator {order} is of code {code} of {len(codes)}", file=self.name)
        options = table.table("builtin_options") or table.table("builtin_options2")
        return TfliteOperator(
            codes[code],
            self._indices(table, "inputs", count, -1),
            self._indices(table, "outputs", count, -1),
            options,
            self._custom(table),
            order,
            self._indices(table, "intermediates", count, 0),
        )

    def _custom(self, table: Table) -> bytes:
        raw = table.raw("custom_options")
        if raw is not None:
            check_size(raw.length, _MAX_CUSTOM, what="the options of a custom operator", file=self.name)
            return self.file.read_at(raw.offset, raw.length)
        offset, size = table.integer("large_custom_options_offset"), table.integer("large_custom_options_size")
        if offset > 1:
            check_size(size, _MAX_CUSTOM, what="the options of a custom operator", file=self.name)
            check_present(offset + size, self.file.size, what="the options of a custom operator", file=self.name)
            return self.file.read_at(offset, size)
        return b""

    def _signature(self, table: Table, subgraphs: tuple[Subgraph, ...]) -> Signature:
        list(table.given())
        index = table.integer("subgraph_index")
        key = table.text("signature_key") or ""
        if index >= len(subgraphs):
            raise InvalidModelError(f"signature {key!r} is of subgraph {index} of {len(subgraphs)}", file=self.name)
        inputs, outputs = (
            {each.text("name") or "": each.integer("tensor_index") for each in table.tables(name)}
            for name in ("inputs", "outputs")
        )
        return Signature(key, index, inputs, outputs)

    def _metadata(self, root: Table, buffers: tuple[FileSlice | None, ...]) -> dict[str, str]:
        """What the file holds besides the model, by name: short text as it is, all else by its size."""
        found: dict[str, str] = {}
        for table in root.tables("metadata"):
            list(table.given())
            index = table.integer("buffer")
            held = buffers[index] if index < len(buffers) else None
            text = b"" if held is None or held.length > _SHORT else held.read().rstrip(b"\0")
            is_text = bool(text) and all(32 <= byte < 127 for byte in text)
            told = text.decode("ascii") if is_text else f"{0 if held is None else held.length} bytes"
            found[table.text("name") or ""] = told
        return found


_SHORT = 256
"""Bytes of metadata that may be a line of text (the converter's version)."""
