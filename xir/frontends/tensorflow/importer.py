"""A TensorFlow graph as a graph: from the outputs back, each node through its handler, every problem in one error."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError, XirError
from xir.files import PathLike
from xir.frontends._contents import Contents
from xir.frontends._live_names import with_live_names
from xir.frontends._operands import Knowledge
from xir.frontends._problems import Problems
from xir.frontends.tensorflow._control import Control
from xir.frontends.tensorflow._frames import ENTER, EXIT, MERGE, Frames
from xir.frontends.tensorflow._handles import Handle, Operand, TableHandle, VariableHandle
from xir.frontends.tensorflow._outputs import PLACEHOLDERS, REFUSED, unsafe_nodes, untold_ranks, wanted_outputs
from xir.frontends.tensorflow._placed import pruned
from xir.frontends.tensorflow._reach import VARIABLES
from xir.frontends.tensorflow._scope import Scope
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow._written import SILENT, Written
from xir.frontends.tensorflow.handlers import HANDLERS, STATE_HANDLERS
from xir.frontends.tensorflow.lookups import TABLES, Tables
from xir.frontends.tensorflow.model import Edge, TfGraph, TfNode
from xir.frontends.tensorflow.op_defs import Operator, operator
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.reader import read_graph
from xir.frontends.tensorflow.saved_model import SavedModel, Signature
from xir.frontends.tensorflow.tensors import constant_from, dtype_of, shape_of_message, type_of
from xir.frontends.tensorflow.variables import Variables
from xir.ir.builder import sourced
from xir.ir.constant import Constant, constant_of
from xir.ir.constraints import Collected, collecting
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import DType, Type
from xir.limits import MAX_CALLS, inlining_limit
from xir.ops.constant import constant

MAX_LITERAL = 64
"""Elements of a constant that is written in the graph; larger ones are weights."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A model.

    Attributes:
        graph: its graph.
        state: what inputs that are variables changed by the run begin with, by name; `NAME.new` is the output.
    """

    graph: Graph
    state: Mapping[str, Constant]


_HELD_AS = {DType.FLOAT64: DType.FLOAT32, DType.FLOAT16: DType.FLOAT32, DType.INT64: DType.INT32}
"""{the type of a constant: how TensorFlow.js holds it} (tfjs-converter/python/tensorflowjs/write_weights.py)."""


def import_tensorflow(
    path: PathLike, *, inputs: Mapping[str, Type] | None = None, outputs: Sequence[str] | None = None
) -> Graph:
    """The frozen graph at `path`.

    Args:
        path: a GraphDef, binary or as text.
        inputs: types for placeholders whose own are unknown or too wide, by name.
        outputs: the results to compute (`node`, `node:1`); else what no node reads.

    Raises:
        FormatError: the file is no GraphDef.
        UnsupportedError: nodes that xir has no operators for: all of them, with reasons.
        InvalidModelError: the graph contradicts itself.
        UnsafeError: it asks for more than the limits allow, or for files or code.
    """
    return build(read_graph(path), inputs=inputs, outputs=outputs)


def build(
    graph: TfGraph,
    *,
    inputs: Mapping[str, Type] | None = None,
    outputs: Sequence[str] | None = None,
    tables: Tables | None = None,
) -> Graph:
    """The graph of one that was read, with its lookup tables or those of the one that it was cut out of.

    See `import_tensorflow`.
    """
    return _built(Importer(graph, dict(inputs or {}), tables=tables), outputs)


def build_saved(
    model: SavedModel, *, inputs: Mapping[str, Type] | None = None, outputs: Sequence[str] | None = None
) -> Imported:
    """The graph of the signature of a SavedModel; `inputs` and `outputs` are those of the signature, by name.

    Without a signature, they are those of the graph, as `build` takes them.

    Raises:
        UsageError: the signature has no such input or output.
        XirError: as `import_tensorflow`.
    """
    if model.signature is None and outputs is None:
        outputs = model.outputs or None
    importer = Importer(model.graph, dict(inputs or {}), model.signature, model.variables, model.tables)
    graph = _built(importer, outputs)
    begins = importer.written.begins
    return Imported(graph, {graph.names[entry]: begins[name] for name, entry in importer.written.entries.items()})


def _built(importer: Importer, outputs: Sequence[str] | None) -> Graph:
    graph = importer.model
    try:
        return importer.graph(outputs)
    except XirError as error:
        if error.source.file is None:
            error.source = type(error.source)(os.path.basename(graph.path), error.source.layer, error.source.kind)
        raise


class Importer:
    """One import: what is built so far, and what cannot be.

    Attributes:
        model: the graph that was read.
        file: the file's name.
        knowledge: what is known of values.
        control: builds loops, branches and calls.
    """

    def __init__(
        self,
        model: TfGraph,
        types: dict[str, Type],
        signature: Signature | None = None,
        variables: Variables | None = None,
        tables: Tables | None = None,
    ) -> None:
        """An import of `model`, with `types` for some of its inputs; a signature says what these are."""
        self.signature = signature
        self.variables = variables
        self.tables = tables or Tables(model)
        self.written = Written(frozenset() if variables is None else variables.written)
        self.model = model
        self.given = types
        self.file = os.path.basename(model.path)
        self.constants: dict[Value, Constant] = {}
        self.knowledge = Knowledge(Contents(self.constants), self.constants)
        self.control = Control(self)
        self.problems = Problems()
        self.parameters: list[Parameter] = []
        self.weights: dict[TfNode, Value] = {}
        self.inputs: dict[str, Value] = {}
        self.names: dict[Value, str] = {}
        self.built = 0
        self.limit = inlining_limit(model.held_nodes())
        self._frames: dict[int, Frames] = {}

    def graph(self, outputs: Sequence[str] | None) -> Graph:
        """The graph of these outputs."""
        with collecting() as assumed:
            return self._graph(outputs, assumed)

    def _graph(self, outputs: Sequence[str] | None, assumed: Collected) -> Graph:
        self._refuse_unsafe(outputs)
        scope = Scope(self.model.nodes)
        edges = wanted_outputs(self.model, self.signature, outputs)
        self.take_given(scope)
        self.evaluate(scope, [edge.node for edge in edges.values()])
        if self.problems:
            raise self.problems.error(len(self.model.nodes), self.file)
        results = {name: self._tensor(name, edge, scope) for name, edge in edges.items()}
        state = self.written.named({*self.inputs, *results})
        self.names |= {entry: name for name, (entry, _) in state.items()}
        names = self.names if self.signature is None else self._signed_names(results)
        results |= {f"{name}.new": after for name, (_, after) in state.items()}
        graph = Graph(
            "model",
            (*(self.inputs[name] for name in self._order()), *(entry for entry, _ in state.values())),
            tuple(results.values()),
            tuple(results),
            tuple(self.parameters),
            names,
            tuple(assumed),
        )
        return drop_unused_parameters(with_live_names(graph, once=True))

    def _refuse_unsafe(self, outputs: Sequence[str] | None) -> None:
        """Refuses nodes that touch files or run code, wherever they stand; before what is fed, they are not there."""
        model = self.model
        if model.types:
            model = pruned(model, [edge.node for edge in wanted_outputs(model, self.signature, outputs).values()])
        for node, reason in unsafe_nodes(model):
            self.problems.note(node.kind, reason, "remove the node: xir runs no such thing", node.name)
        if self.problems:
            raise self.problems.error(len(self.model.nodes), self.file)

    def _order(self) -> list[str]:
        """The names of the inputs in the order of their nodes."""
        if self.signature is None:
            return sorted(self.inputs, key=lambda name: self.model.nodes[name].order)
        fed = {name: self.signature.inputs.get(name, (Edge(name, "", 0),))[0] for name in self.inputs}
        return sorted(fed, key=lambda name: (self.model.nodes[fed[name].node].order, fed[name].place))

    def _signed_names(self, results: Mapping[str, Value]) -> dict[Value, str]:
        """The names of values: inputs and outputs have those of the signature."""
        names = {value: name for name, value in self.inputs.items()}
        for name, value in results.items():
            names.setdefault(value, name)
        return names | {value: name for value, name in self.names.items() if value not in names}

    def _take_signed(self, signature: Signature, scope: Scope) -> None:
        """Makes inputs of what the signature feeds; more than one result of a node may be fed."""
        for name, (edge, told) in signature.inputs.items():
            if edge.node not in self.model.nodes:
                raise InvalidModelError(f"input {name!r} of the signature feeds {str(edge)!r}, which is not there")
            fed = list(scope.results.get(edge.node, ()))
            fed += [None] * (edge.place + 1 - len(fed))
            if fed[edge.place] is not None:
                raise InvalidModelError(f"two inputs of the signature feed {str(edge)!r}")
            fed[edge.place] = self.inputs[name] = Value(self.given.get(name, told))
            scope.results[edge.node] = tuple(fed)

    def take_given(self, scope: Scope) -> None:
        """Makes inputs of the placeholders whose types are told; others become inputs where something reads them."""
        if self.signature is not None:
            self._take_signed(self.signature, scope)
            return
        for name, told in self.given.items():
            if name not in self.model.nodes:
                raise UsageError(f"the graph has no inputs {[name]}")
            scope.results[name] = (self._input(self.model.nodes[name], told, scope),)

    def _tensor(self, name: str, edge: Edge, scope: Scope) -> Value:
        found = self.operand(edge, scope)
        if isinstance(found, Handle):
            raise UsageError(f"output {name!r} is a handle, no tensor")
        return found

    # --- walking ---------------------------------------------------------------------------------------------------

    def frames(self, scope: Scope) -> Frames:
        """The loops and branches of a scope's nodes."""
        key = id(scope.nodes)
        if key not in self._frames:
            self._frames[key] = Frames(scope.nodes)
        return self._frames[key]

    def evaluate(self, scope: Scope, names: Sequence[str]) -> None:
        """Builds the nodes of these names and all that they need; what cannot be built is among the problems."""
        if scope.depth > MAX_CALLS:
            raise UnsafeError(f"loops and functions are nested more than {MAX_CALLS} deep", number=805)
        frames = self.frames(scope)
        pending, open_ = list(reversed(names)), set[str]()
        while pending:
            name = pending[-1]
            if scope.has(name):
                pending.pop()
                continue
            node = frames.node(name)
            missing = [each for each in self._needed(node, scope) if not scope.has(each)]
            if not missing:
                pending.pop()
                self._build(node, scope)
                continue
            for each in missing:
                if each in open_:
                    raise InvalidModelError("the edges run in a circle", layer=each, kind=frames.node(each).kind)
            open_.add(name)
            pending += reversed(missing)

    def _needed(self, node: TfNode, scope: Scope) -> list[str]:
        """The nodes that must be built before this one."""
        if node.kind in ENTER:
            return []
        if node.kind == "PlaceholderWithDefault" and not self._has_default(node):
            return []
        if self.written.names and node.kind in SILENT:
            return list(node.controls)
        if node.kind in EXIT:
            return [variable.enter.inputs[0].node for variable in self.frames(scope).loop(node).variables]
        if node.kind in MERGE:
            return self.control.needed_by_merge(node, scope)
        return [edge.node for edge in node.inputs] + (list(node.controls) if self.written.names else [])

    def _has_default(self, node: TfNode) -> bool:
        """Whether a placeholder has a value where nobody feeds it: one that is written down, not one of a data set."""
        if node.kind != "PlaceholderWithDefault" or not node.inputs:
            return False
        source = self.model.nodes.get(node.inputs[0].node)
        return source is not None and source.kind == "Const"

    def operand(self, edge: Edge, scope: Scope) -> Operand:
        """What an edge carries, once its node is built.

        Raises:
            InvalidModelError: the node has no such result.
        """
        results = scope.results.get(edge.node, ())
        place = self._place(edge, scope)
        found = results[place] if place < len(results) else None
        if found is None:
            raise InvalidModelError(f"there is no result {str(edge)!r}", layer=edge.node)
        return found

    def _place(self, edge: Edge, scope: Scope) -> int:
        """The number of a result among all of its node: functions count those of each declared output."""
        node = scope.nodes.get(edge.node)
        if not edge.output or node is None:
            return edge.place
        declared = operator(node.kind)
        if declared is None:
            return edge.place
        before = 0
        for slot, width in zip(declared.outputs, Site(node, declared, self.knowledge).widths(), strict=True):
            if slot.name == edge.output:
                return before + edge.place
            before += width
        raise InvalidModelError(f"{node.kind} has no output {edge.output!r}", layer=edge.node, kind=node.kind)

    # --- building --------------------------------------------------------------------------------------------------

    def charge(self, count: int) -> None:
        """Counts nodes of bodies and functions; raises UnsafeError where they are too many."""
        self.built += count
        if self.built > self.limit:
            raise UnsafeError(f"functions and loops expand to more than {self.limit} nodes", number=806)

    def _build(self, node: TfNode, scope: Scope) -> None:
        if scope.parent is not None:
            self.charge(1)
        label = "/".join((*scope.calls, node.name))
        try:
            with sourced(Source("tensorflow", self.file, label, node.kind, order=node.order)):
                results = self._results(node, scope)
        except UnsupportedError as error:
            self.problems.note(node.kind, error.message, error.hint, label)
            results = None
        except XirError as error:
            error.hint = untold_ranks(error, self.inputs) or error.hint
            if error.source.layer is None or scope.parent is None:
                error.source = type(error.source)(self.file, label, node.kind)
            raise
        if results is None:
            scope.lost.add(node.name)
            return
        scope.results[node.name] = tuple(results)
        for index, value in enumerate(results):
            if isinstance(value, Value) and scope.parent is None:
                self.names.setdefault(value, node.name if index == 0 else f"{node.name}:{index}")

    def _results(self, node: TfNode, scope: Scope) -> Sequence[Operand | None] | None:
        """What the node makes; None where something that it reads could not be built."""
        if self.control.handles(node):
            return self.control.results(node, scope)
        if node.kind in PLACEHOLDERS and not self._has_default(node):
            return [self._input(node, None, scope)]
        if any(edge.node in scope.lost for edge in node.inputs):
            return None
        declared = operator(node.kind)
        if node.kind == "Const":
            return [self._constant(node, scope)]
        if node.kind in VARIABLES:
            return [self._variable(node, scope)]
        if node.kind in TABLES:
            return [TableHandle(functools.partial(self.tables.table, node))]
        if self.written.names and node.kind in SILENT:
            return []
        self.written.check(node, scope, self.frames(scope))
        handler = HANDLERS.get(node.kind) or STATE_HANDLERS.get(node.kind)
        if declared is None or handler is None:
            known = REFUSED.get(node.kind, "xir has no handler for it")
            raise UnsupportedError(known if declared is not None else "TensorFlow has no such operator")
        operands = [self.operand(edge, scope) for edge in node.inputs]
        return self._handled(node, declared, handler, operands)

    def _handled(
        self, node: TfNode, declared: Operator, handler: Handler, operands: list[Operand]
    ) -> Sequence[Operand]:
        site = Site(node, declared, self.knowledge)
        if len(operands) != site.taken():
            site.invalid(f"it takes {site.taken()} operands, {len(operands)} are given")
        site.count()
        if node.kind not in STATE_HANDLERS:
            operands = [site.value(operand) for operand in operands]
        made = handler(site, *operands)
        unknown = site.unknown()
        if unknown:
            site.refuse(f"unknown attributes {', '.join(repr(name) for name in unknown)}")
        return (made,) if isinstance(made, Value | Handle) else made

    def _input(self, node: TfNode, told: Type | None, scope: Scope) -> Value:
        """A placeholder: an input of the model."""
        if scope.parent is not None:
            raise UnsupportedError("an input that stands inside of a loop or a function")
        told = told or self.model.types.get(node.name)
        if told is None:
            held, dtype = node.attributes.get("shape"), node.attributes.get("dtype")
            sizes = None if held is None else shape_of_message(held.message("shape"))
            told = type_of(dtype_of(0 if dtype is None else dtype.integer("type"), "the placeholder"), sizes)
        value = Value(told)
        self.inputs[node.name] = value
        self.names[value] = node.name
        return value

    def _constant(self, node: TfNode, scope: Scope) -> Value:
        """A literal where it is small, else a weight."""
        held = node.attributes.get("value")
        if held is None:
            raise InvalidModelError("a constant has no value")
        if node in self.weights:
            return self.weights[node]
        made = self._elements(node, held.required("tensor"))
        if made.elements <= MAX_LITERAL:
            return constant(value=made)
        value = self.weights[node] = Value(made.type)
        self.constants[value] = made
        self.parameters.append(Parameter(value, made, made.dtype.is_floating))
        self.names[value] = "/".join((*scope.calls, node.name))
        return value

    def _elements(self, node: TfNode, tensor: Message) -> Constant:
        """What a constant holds, in the graph or beside it.

        Raises:
            InvalidModelError: what lies beside the graph is of another type or shape.
        """
        beside = self.model.held.get(node.name)
        if beside is None:
            return constant_from(tensor, "the constant")
        told = shape_of_message(tensor.message("tensor_shape")) or ()
        dtype = dtype_of(tensor.integer("dtype"), "the constant")
        if beside.dtype is _HELD_AS.get(dtype):
            beside = constant_of(beside.array().astype(dtype.dtype))
        if beside.dtype is not dtype or beside.shape != told:
            raise InvalidModelError(f"the constant is {list(told)} in the graph, and {beside.type!r} beside it")
        return beside

    def _variable(self, node: TfNode, scope: Scope) -> Operand:
        """A variable: a handle of it, or of TensorFlow 1 the elements themselves."""
        if scope.nodes is not self.model.nodes:
            raise UnsupportedError("a variable that a function makes")
        if node.kind == "VarHandleOp":
            first = functools.partial(self._first, node)
            assign = functools.partial(self._assign, node, first)
            return VariableHandle(node.name, functools.partial(self._weight, node), assign)
        if node.name in self.written.names:
            raise UnsupportedError(f"the variable {node.name!r} is changed by the run itself, and has no handle")
        return self._weight(node)

    def _first(self, node: TfNode) -> Constant:
        """What a variable holds before the first run."""
        if self.variables is None:
            raise UnsupportedError("a variable, whose elements a graph does not hold", hint="freeze the graph first")
        return self.variables.constant(node)

    def _assign(self, node: TfNode, first: Callable[[], Constant], value: Value) -> None:
        if node.name not in self.written.names:
            raise UnsupportedError(f"the variable {node.name!r} is changed where nobody can tell")
        self.written.assign(node.name, value, first)

    def _weight(self, node: TfNode) -> Value:
        """The weight that a variable is, or of one that the run changes what it holds now.

        Raises:
            UnsupportedError: there are no variables.
            XirError: as `Variables.constant`.
        """
        if node.name in self.written.names:
            return self.written.read(node.name, functools.partial(self._first, node))
        if node not in self.weights:
            made = self._first(node)
            value = self.weights[node] = Value(made.type)
            self.constants[value] = made
            trained = self.variables is not None and self.variables.is_trainable(node, made)
            self.parameters.append(Parameter(value, made, trained))
            self.names[value] = node.name
        return self.weights[node]
