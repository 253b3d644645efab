"""An ONNX file as a graph: every node through its handler, every problem in one error."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from xir.errors import InvalidModelError, Problem, UnsupportedError, UsageError, XirError
from xir.files import PathLike
from xir.frontends.onnx._contents import Contents
from xir.frontends.onnx._site import Scope, Site
from xir.frontends.onnx._tables import VERSIONS
from xir.frontends.onnx._versions import NEWEST, NEWEST_OPSET, Entry, full_kind
from xir.frontends.onnx.model import Dimension, OnnxModel, OnnxNode, TypeInfo, ValueInfo
from xir.frontends.onnx.reader import read_model
from xir.frontends.onnx.tensors import TensorStore, dtype_of
from xir.ir.builder import sourced
from xir.ir.constant import Constant
from xir.ir.constraints import Collected, collecting
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.ir.verify import compatible

SYMBOLS_KEY = "xir.symbols"
"""The key of the model's metadata in which xir's exporter keeps what is known of symbolic sizes."""

SOURCE_KEY = "xir.source"
"""The key of a node's metadata in which xir's exporter keeps the layers that a node stands for."""


def import_onnx(path: PathLike, *, inputs: Mapping[str, Type] | None = None, trust_links: bool = False) -> Graph:
    """The model at `path` as a graph.

    Args:
        path: of the model file; its data files lie in the same folder.
        inputs: types for inputs whose own are unknown or too wide.
        trust_links: whether data files may be links.

    Raises:
        FormatError: the file is no ONNX model.
        UnsupportedError: nodes that xir has no operators for: all of them, with reasons.
        InvalidModelError: the model contradicts itself.
        UnsafeError: it asks for more than the limits allow, or for files outside its folder.
    """
    model = read_model(path)
    return build(model, inputs=inputs, trust_links=trust_links)


def build(model: OnnxModel, *, inputs: Mapping[str, Type] | None = None, trust_links: bool = False) -> Graph:
    """The graph of a model that was read; see `import_onnx`."""
    try:
        return _Importer(model, dict(inputs or {}), trust_links).graph()
    except XirError as error:
        if error.source.file is None:
            error.source = type(error.source)(os.path.basename(model.path), error.source.layer, error.source.kind)
        raise


class _Importer:
    def __init__(self, model: OnnxModel, types: dict[str, Type], trust_links: bool) -> None:
        self.model = model
        self.types = types
        self.file = os.path.basename(model.path)
        self.opset = _opset(model)
        self.constants: dict[Value, Constant] = {}
        store = TensorStore(model.path, trust_links)
        self.scope = Scope(Contents(self.constants), store, self.constants)
        self.values: dict[str, Value] = {}
        self.lost: set[str] = set()
        self.parameters: list[Parameter] = []
        self.inputs: list[Value] = []
        self.problems: dict[tuple[str, str, str | None], list[str]] = {}

    def graph(self) -> Graph:
        with collecting() as assumed:
            return self._graph(assumed)

    def _graph(self, assumed: Collected) -> Graph:
        graph = self.model.graph
        self._refuse_extras()
        self._read_weights()
        self._read_inputs()
        for node in graph.nodes:
            self._build(node)
        if self.problems:
            raise self._unsupported()
        outputs = tuple(self._output(info) for info in graph.outputs)
        names: dict[Value, str] = {}
        for name, value in self.values.items():
            names.setdefault(value, name)
        built = Graph(
            graph.name or "model",
            tuple(self.inputs),
            outputs,
            tuple(info.name for info in graph.outputs),
            tuple(self.parameters),
            names,
            tuple(assumed),
        )
        return drop_unused_parameters(_with_live_names(built))

    def _refuse_extras(self) -> None:
        for what, count in self.model.extras.items():
            if what == "local functions":
                continue
            self.problems[(what, f"xir does not read {what}", None)] = [f"{count} in the file"]

    def _read_weights(self) -> None:
        for tensor in self.model.graph.initializers:
            if not tensor.name or tensor.name in self.values:
                raise InvalidModelError(f"initializer name {tensor.name!r} is empty or stands twice")
            constant = self.scope.store.constant(tensor)
            value = Value(constant.type)
            self.values[tensor.name] = value
            self.constants[value] = constant
            self.parameters.append(Parameter(value, constant))

    def _read_inputs(self) -> None:
        """Inputs that an initializer gives a value are weights (onnx IR.md: defaults of inputs)."""
        symbols = _Symbols(_ranges(self.model))
        seen: set[str] = set()
        for info in self.model.graph.inputs:
            if info.name in seen or not info.name:
                raise InvalidModelError(f"input name {info.name!r} is empty or stands twice")
            seen.add(info.name)
            if info.name in self.values:
                continue
            told = self.types.pop(info.name, None)
            value = Value(told if told is not None else self._type(info, symbols))
            self.values[info.name] = value
            self.inputs.append(value)
        if self.types:
            known = [info.name for info in self.model.graph.inputs]
            raise UsageError(f"the model has no inputs {list(self.types)}; it has {known}")

    def _type(self, info: ValueInfo, symbols: _Symbols) -> Type:
        return self._convert(info.type, f"input {info.name!r}", symbols)

    def _convert(self, found: TypeInfo | None, what: str, symbols: _Symbols) -> Type:
        wrappers: list[str] = []
        while found is not None and found.kind in ("sequence", "optional"):
            wrappers.append(found.kind)
            found = found.element
        if found is None:
            raise InvalidModelError(f"{what} has no type", hint="tell it with --input NAME=f32[...]")
        if found.kind != "tensor":
            raise UnsupportedError(f"{what} is a {found.kind}", hint="xir reads tensors, sequences and optionals")
        dtype = dtype_of(found.dtype, what, self.file)
        result: Type = UnrankedType(dtype)
        if found.shape is not None:
            result = TensorType(dtype, tuple(symbols.size(size, what) for size in found.shape))
        for wrapper in reversed(wrappers):
            result = SequenceType(result) if wrapper == "sequence" else OptionalType(result)
        return result

    def _build(self, node: OnnxNode) -> None:
        lost = [name for name in node.inputs if name in self.lost]
        opset = self._opset(node.domain)
        entry = VERSIONS.get(full_kind(node.domain, node.kind), opset)
        if entry is None:
            self._note_absent(node)
        if entry is None or lost:
            self.lost.update(name for name in node.outputs if name)
            return
        operands = [self._operand(node, name) for name in node.inputs]
        while operands and operands[-1] is None:
            operands.pop()
        source = Source("onnx", self.file, node.label, node.kind, order=node.order)
        try:
            with sourced(source, *_former(node)):
                results = self._call(node, entry, operands)
        except UnsupportedError as error:
            self._note(node.kind, error.message, error.hint, node.label)
            self.lost.update(name for name in node.outputs if name)
            return
        except XirError as error:
            error.source = type(error.source)(self.file, node.label, node.kind)
            raise
        self._bind(node, results)

    def _call(self, node: OnnxNode, entry: Entry, operands: Sequence[Value | None]) -> tuple[Value, ...]:
        if not entry.fits(len(operands)) or None in operands[: entry.least]:
            raise InvalidModelError(f"takes {entry.wanted} inputs, got {len(operands)}")
        for name, attribute in node.attributes.items():
            if attribute.reference:
                raise InvalidModelError(f"attribute {name!r} refers to a function's attribute outside a function")
        site = Site(node, self._opset(node.domain), self.scope)
        result = entry.handler(site, *operands)
        unknown = site.unknown()
        if unknown:
            raise UnsupportedError(f"unknown attributes {', '.join(repr(name) for name in unknown)}")
        return (result,) if isinstance(result, Value) else tuple(result)

    def _bind(self, node: OnnxNode, results: Sequence[Value]) -> None:
        wanted = [name for name in node.outputs]
        while wanted and not wanted[-1]:
            wanted.pop()
        if len(wanted) > len(results):
            self._note(node.kind, f"{len(wanted)} outputs are asked for, {len(results)} are made", None, node.label)
            self.lost.update(name for name in node.outputs if name)
            return
        for name, value in zip(wanted, results, strict=False):
            if not name:
                continue
            if name in self.values:
                raise InvalidModelError(f"{name!r} is made twice", file=self.file, layer=node.label, kind=node.kind)
            self.values[name] = value

    def _operand(self, node: OnnxNode, name: str) -> Value | None:
        if not name:
            return None
        if name not in self.values:
            raise InvalidModelError(
                f"reads {name!r}, which no earlier node makes",
                file=self.file,
                layer=node.label,
                kind=node.kind,
                hint="the nodes stand in no order in which they can be run, or a part of the file is missing",
            )
        return self.values[name]

    def _output(self, info: ValueInfo) -> Value:
        value = self.values.get(info.name)
        if value is None:
            raise InvalidModelError(f"output {info.name!r} is made by no node")
        if info.type is not None and info.type.kind == "tensor" and info.type.shape is not None:
            declared = self._convert(info.type, f"output {info.name!r}", _Symbols({}))
            if not compatible(declared, value.type):
                raise InvalidModelError(f"output {info.name!r} is declared {declared!r}, the nodes make {value.type!r}")
        return value

    def _opset(self, domain: str) -> int:
        """The version of an operator set; one that has only ever had one version need not be told."""
        return self.opset if not domain else self.model.opsets.get(domain, 1 if NEWEST.get(domain) == 1 else 0)

    def _note(self, kind: str, reason: str, hint: str | None, layer: str) -> None:
        self.problems.setdefault((kind, reason, hint), []).append(layer)

    def _note_absent(self, node: OnnxNode) -> None:
        kind = full_kind(node.domain, node.kind)
        since, opset = VERSIONS.since(kind), self._opset(node.domain)
        if node.domain not in NEWEST:
            reason, hint = f"xir does not know the operator set {node.domain!r}", None
        elif since:
            reason, hint = f"opset {opset} is older than opset {since[0]}", "convert the model to a newer opset"
        else:
            reason, hint = "xir has no handler for it", None
        self._note(kind, reason, hint, node.label)

    def _unsupported(self) -> UnsupportedError:
        problems = tuple(
            Problem(kind, tuple(layers), reason, hint) for (kind, reason, hint), layers in self.problems.items()
        )
        count = sum(len(problem.layers) for problem in problems)
        lines = [
            f"{problem.kind} x{len(problem.layers)} ({', '.join(problem.layers[:3])}"
            f"{', ...' if len(problem.layers) > 3 else ''}): {problem.reason}"
            for problem in problems
        ]
        total = len(self.model.graph.nodes)
        return UnsupportedError(
            f"{count} of {total} nodes are not supported: " + "; ".join(lines), problems=problems, file=self.file
        )


@dataclass(slots=True)
class _Symbols:
    """The named sizes of a model; what xir's exporter noted of them is known again."""

    ranges: Mapping[str, tuple[int, int | None, int]]
    made: dict[str, Symbol] = field(default_factory=dict[str, Symbol])

    def size(self, size: Dimension, what: str) -> Dim:
        """A size of the file: a number, a symbol with its name, or a fresh one."""
        if size.value is not None:
            if size.value < 0:
                raise InvalidModelError(f"{what} has the size {size.value}")
            return size.value
        if size.name is None:
            return Symbol()
        if size.name not in self.made:
            low, high, divisor = self.ranges.get(size.name, (0, None, 1))
            self.made[size.name] = Symbol(size.name, minimum=low, maximum=high, divisor=divisor)
        return self.made[size.name]


def _ranges(model: OnnxModel) -> dict[str, tuple[int, int | None, int]]:
    """What xir's exporter noted of named sizes; anything else under the key is left alone."""
    noted = _json(model.metadata.get(SYMBOLS_KEY, ""))
    found: dict[str, tuple[int, int | None, int]] = {}
    for name, range_ in cast("dict[str, object]", noted).items() if isinstance(noted, dict) else ():
        match _list(range_):
            case [int() as low, (int() | None) as high, int() as divisor] if low >= 0 and divisor > 0:
                if high is None or high >= low:
                    found[name] = (low, high, divisor)
            case _:
                pass
    return found


def _json(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _opset(model: OnnxModel) -> int:
    for domain, newest in NEWEST.items():
        if domain and model.opsets.get(domain, 0) > newest:
            raise UnsupportedError(
                f"the model uses {domain} version {model.opsets[domain]}; xir reads up to {newest}", file=model.path
            )
    version = model.opsets.get("", 1 if model.ir_version < 3 else 0)
    if version == 0 and any(not node.domain for node in model.graph.nodes):
        raise InvalidModelError("the model does not say which operator set it uses", file=model.path)
    if version > NEWEST_OPSET:
        raise UnsupportedError(
            f"the model uses opset {version}; xir reads up to {NEWEST_OPSET}",
            file=model.path,
            hint=f"export it with opset {NEWEST_OPSET} or older",
        )
    return version


def _former(node: OnnxNode) -> tuple[Source, ...]:
    """The layers that xir's exporter noted; anything else under the key is taken for a stranger's and left alone."""
    sources = [_source(item) for item in _list(_json(node.metadata.get(SOURCE_KEY, "")))]
    return tuple(source for source in sources if source is not None)


def _source(item: object) -> Source | None:
    if not isinstance(item, dict):
        return None
    held = cast("dict[str, object]", item)
    texts = [held.get(key) for key in ("framework", "file", "layer", "kind")]
    words = [text for text in texts if isinstance(text, str)]
    order, location = held.get("order", 0), held.get("location")
    if len(words) != 4 or not isinstance(order, int) or not isinstance(location, str | None):
        return None
    path, layout = _list(held.get("path")), held.get("layout")
    permutation = tuple(axis for axis in _list(layout) if isinstance(axis, int)) if layout is not None else None
    return Source(
        words[0],
        words[1],
        words[2],
        words[3],
        tuple(part for part in path if isinstance(part, str)),
        location,
        order,
        permutation,
    )


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _with_live_names(graph: Graph) -> Graph:
    """The graph with the names of values that it still has."""
    live = {*graph.inputs, *(parameter.value for parameter in graph.parameters)}
    live.update(value for node in graph.nodes for value in node.outputs)
    names = {value: name for value, name in graph.names.items() if value in live}
    return replace(graph, names=names)
