"""Lookup tables: what the operators that initialise them say, from constants of the graph or text files beside it.

Source: tensorflow/core/kernels/lookup_util.cc (TextFileLineIterator) and lookup_table_init_op.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.files import MappedFile
from xir.frontends._contents import Contents
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._reach import Reach, reached
from xir.frontends.tensorflow._site import Site
from xir.frontends.tensorflow.model import TfGraph, TfNode
from xir.frontends.tensorflow.op_defs import operator
from xir.frontends.tensorflow.tensors import constant_from, dtype_of
from xir.frontends.tensorflow.variables import shared_name
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType
from xir.limits import MAX_TEXT_BYTES, check_size

TABLES = frozenset(("HashTable", "HashTableV2"))
"""Nodes that are lookup tables which nothing changes once they are initialised."""

_FROM_TENSORS = frozenset(("InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2"))
_FROM_FILES = frozenset(("InitializeTableFromTextFile", "InitializeTableFromTextFileV2"))
_ORIGINS = TABLES | {"Const", "Placeholder", "ReadVariableOp"}
_WHOLE_LINE, _LINE_NUMBER = -2, -1


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table: keys [N] and values [N]."""

    keys: Constant
    values: Constant


@dataclass(slots=True)
class Tables:
    """The lookup tables of a graph.

    Attributes:
        graph: the graph.
        starts: names of nodes that initialise.
        assets: {the node whose result is the path of a file: the file's name}.
        open: opens one of these files.
        files: paths of those that were read.
    """

    graph: TfGraph
    starts: Sequence[str] = ()
    assets: Mapping[str, str] = field(default_factory=dict[str, str])
    open: Callable[[str], MappedFile] | None = None
    files: list[str] = field(default_factory=list[str], init=False)
    _initialisers: dict[str, list[tuple[TfNode, Reach]]] | None = field(default=None, init=False)
    _known: dict[str, Table] = field(default_factory=dict[str, Table], init=False)

    def table(self, node: TfNode) -> Table:
        """What a table holds.

        Raises:
            UnsupportedError: nothing initialises it, or something that is not in the graph.
            InvalidModelError, FormatError, UnsafeError, FileError: its file is damaged or absent.
        """
        key = shared_name(node)
        if key not in self._known:
            self._known[key] = self._made(node, key)
        return self._known[key]

    def _made(self, node: TfNode, key: str) -> Table:
        if self._initialisers is None:
            self._initialisers = self._found()
        found = self._initialisers.get(key, [])
        if len(found) != 1:
            raise UnsupportedError(f"a lookup table that {len(found) or 'no'} operators initialise")
        ((initialiser, reach),) = found
        if initialiser.kind in _FROM_TENSORS:
            keys, values = (self._constant(initialiser, place, reach) for place in (1, 2))
            return _table(keys, values)
        return self._read(node, initialiser, reach)

    def _found(self) -> dict[str, list[tuple[TfNode, Reach]]]:
        """The nodes that initialise tables, by the tables' names; those of the graph itself count uncalled too."""
        kinds = _FROM_TENSORS | _FROM_FILES
        own = [node.name for node in self.graph.nodes.values() if node.kind in kinds]
        found: dict[str, list[tuple[TfNode, Reach]]] = {}
        for node, reach in reached(self.graph, [*self.starts, *own], _ORIGINS):
            if node.kind in kinds and node.inputs:
                name = reach.variable(node.inputs[0].node)
                table = None if name is None else self.graph.nodes.get(name)
                if table is not None and table.kind in TABLES:
                    found.setdefault(shared_name(table), []).append((node, reach))
        return found

    def _origin(self, node: TfNode, place: int, reach: Reach) -> TfNode | None:
        """The node of the graph from which an operand comes, or the constant of the function itself."""
        if place >= len(node.inputs):
            return None
        source = reach.source(node.inputs[place].node)
        if source is not None and source.kind == "Const":
            return source
        name = reach.variable(node.inputs[place].node)
        return None if name is None else self.graph.nodes.get(name)

    def _constant(self, node: TfNode, place: int, reach: Reach) -> Constant:
        source = self._origin(node, place, reach)
        held = None if source is None or source.kind != "Const" else source.attributes.get("value")
        if held is None:
            raise UnsupportedError("a lookup table that is initialised with what the graph computes")
        return constant_from(held.required("tensor"), "a lookup table")

    def _read(self, table: TfNode, node: TfNode, reach: Reach) -> Table:
        """The table that a text file holds, a line an entry."""
        name = self._file(node, reach)
        declared = operator(node.kind)
        if name is None or self.open is None or declared is None:
            raise UnsupportedError("a lookup table from a file that the model does not bring along")
        site = Site(node, declared, Knowledge(Contents({}), {}))
        if site.integer("offset"):
            raise UnsupportedError("a lookup table from the middle of a file")
        file = self.open(name)
        self.files.append(file.path)
        check_size(file.size, MAX_TEXT_BYTES, what="the file of a lookup table", file=file.path)
        text = file.read_at(0, file.size).decode("utf-8", "surrogateescape").replace("\r", "")
        lines = text.removesuffix("\n").split("\n") if text else []
        count = site.integer("vocab_size")
        if count > len(lines):
            raise InvalidModelError(f"{name[:200]!r} has {len(lines)} lines, {count} are needed", file=file.path)
        lines = lines[:count] if count > 0 else lines
        columns = [
            _column(lines, site.integer(f"{side}_index"), site.text("delimiter"), _type(table, f"{side}_dtype"))
            for side in ("key", "value")
        ]
        return _table(*columns)

    def _file(self, node: TfNode, reach: Reach) -> str | None:
        """The name of the file whose path comes to an initialiser: a node's, or that of a variable set to a node's."""
        origin = self._origin(node, 1, reach)
        if origin is not None and origin.kind == "ReadVariableOp" and origin.inputs:
            variable = origin.inputs[0].node
            for each in self.graph.nodes.values():
                if each.kind == "AssignVariableOp" and len(each.inputs) == 2 and each.inputs[0].node == variable:
                    origin = self.graph.nodes.get(each.inputs[1].node)
        return None if origin is None else self.assets.get(origin.name)


def _type(table: TfNode, name: str) -> DType:
    held = table.attributes.get(name)
    return dtype_of(0 if held is None else held.integer("type"), f"attribute {name!r}")


def _table(keys: Constant, values: Constant) -> Table:
    if len(keys.shape) != 1 or keys.shape != values.shape:
        raise UnsupportedError(f"a lookup table of {keys.type!r} and {values.type!r}")
    return Table(keys, values)


def _column(lines: Sequence[str], index: int, delimiter: str, dtype: DType) -> Constant:
    """One side of the entries: the number of the line, the line, or a column of it."""
    if index == _LINE_NUMBER:
        return constant_of(np.arange(len(lines)), dtype)
    words = list(lines)
    if index != _WHOLE_LINE:
        rows = [line.split(delimiter) for line in lines] if delimiter else []
        if not all(0 <= index < len(row) for row in rows) or len(rows) != len(lines):
            raise InvalidModelError(f"a line of the file of a lookup table has no column {index}")
        words = [row[index] for row in rows]
    if dtype is DType.STRING:
        made = np.empty(len(words), object)
        made[:] = words
        return constant_of(made)
    try:
        return constant_of(np.array([int(word) if dtype.is_integer else float(word) for word in words]), dtype)
    except (ValueError, OverflowError) as error:
        raise InvalidModelError(f"a line of the file of a lookup table is no number: {str(error)[:100]}") from error
