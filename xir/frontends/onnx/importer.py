"""An ONNX file as a graph: every node through its handler, every problem in one error."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError, XirError
from xir.files import PathLike
from xir.frontends._bodies import Body
from xir.frontends._contents import Contents
from xir.frontends._live_names import with_live_names
from xir.frontends._problems import LostError, Problems
from xir.frontends.onnx._calls import check_call, given, handled, without
from xir.frontends.onnx._frame import Frame
from xir.frontends.onnx._metadata import former_sources, state_names, symbol_ranges
from xir.frontends.onnx._site import Scope, Site
from xir.frontends.onnx._tables import VERSIONS
from xir.frontends.onnx._training import changed_names, check_names, closed, wanted_outputs
from xir.frontends.onnx._value_types import TypeTable
from xir.frontends.onnx._versions import NEWEST, Entry, full_kind
from xir.frontends.onnx.model import (
    OnnxFunction,
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    OnnxTraining,
    SparseTensor,
    ValueInfo,
)
from xir.frontends.onnx.reader import read_model
from xir.frontends.onnx.tensors import TensorStore, dtype_of
from xir.ir.builder import sourced
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.constraints import Collected, Constraint, collecting
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.training import TrainingStep, verify_training
from xir.ir.types import TensorType, Type, UnrankedType
from xir.ir.verify import compatible
from xir.ir.walk import free_symbols
from xir.limits import MAX_CALLS, inlining_limit


def import_onnx(
    path: PathLike,
    *,
    inputs: Mapping[str, Type] | None = None,
    trust_links: bool = False,
    known: Mapping[str, Array] | None = None,
    training: bool = True,
) -> Graph:
    """The model at `path` as a graph.

    Args:
        path: of the model file; its data files lie in the same folder.
        inputs: types for inputs whose own are unknown or too wide.
        trust_links: whether data files may be links.
        known: elements of inputs, as far as they are known; the graph is right for these alone, wherever an operator
            needs them before the run.
        training: whether to keep the steps of training that the file brings along. Where xir cannot say them, the
            model is read without them, with a warning that says why.

    Raises:
        FormatError: the file is no ONNX model.
        UnsupportedError: nodes that xir has no operators for: all of them, with reasons.
        InvalidModelError: the model contradicts itself.
        UnsafeError: it asks for more than the limits allow, or for files outside its folder.
    """
    return build(read_model(path), inputs=inputs, trust_links=trust_links, known=known, training=training)


def build(
    model: OnnxModel,
    *,
    inputs: Mapping[str, Type] | None = None,
    trust_links: bool = False,
    known: Mapping[str, Array] | None = None,
    training: bool = True,
) -> Graph:
    """The graph of a model that was read; see `import_onnx`."""

    def built(what: OnnxModel) -> Graph:
        return _Importer(what, dict(inputs or {}), trust_links, known or {}).graph()

    plain = replace(model, training=())
    try:
        if not training or not model.training:
            return built(plain)
        try:
            return built(model)
        except XirError as error:  # inference does not depend on it
            graph, reason = built(plain), error.message
        file = os.path.basename(model.path)
        warnings.warn(f"{file}: the training information is left out: {reason}", stacklevel=2)
        return graph
    except XirError as error:
        if error.source.file is None:
            error.source = type(error.source)(os.path.basename(model.path), error.source.layer, error.source.kind)
        raise


class _Importer:
    def __init__(self, model: OnnxModel, types: dict[str, Type], trust: bool, known: Mapping[str, Array]) -> None:
        self.model = model
        self.given = types
        self.known = known
        self.file = os.path.basename(model.path)
        self.constants: dict[Value, Constant] = {}
        self.types = TypeTable(self.file, symbol_ranges(model))
        self.scope = Scope(Contents(self.constants), self.constants, TensorStore(model.path, trust), self.types)
        self.problems = Problems()
        self.built = 0
        self.limit = inlining_limit(model.held_nodes())
        self.mutable = changed_names(model)
        self.state = state_names(model)

    def graph(self) -> Graph:
        with collecting() as assumed:
            return self._graph(assumed)

    def _graph(self, assumed: Collected) -> Graph:
        graph = self.model.graph
        frame = Frame(_opsets(self.model))
        self._read_weights(graph, frame)
        inputs = self._read_inputs(frame)
        self._build_nodes(graph.nodes, frame)
        if self.problems:
            raise self.problems.error(len(graph.nodes), self.file)
        outputs = tuple(self._output(info, frame) for info in graph.outputs)
        steps = [self._step(step, frame, inputs, tuple(assumed)) for step in self.model.training]
        built = self._finish(graph, frame, tuple(inputs), outputs, assumed, tuple(steps))
        verify_training(built)
        return built

    def _step(
        self, step: OnnxTraining, model: Frame, inputs: Sequence[Value], assumed: tuple[Constraint, ...]
    ) -> TrainingStep:
        begun, stepped = step.initialization, step.algorithm
        return TrainingStep(
            None if begun is None else self._part(begun, None, (), step.initialization_bindings, ()),
            None if stepped is None else self._part(stepped, model, inputs, step.update_bindings, assumed),
            step.initialization_bindings,
            step.update_bindings,
        )

    def _part(
        self,
        graph: OnnxGraph,
        model: Frame | None,
        inputs: Sequence[Value],
        bindings: Sequence[tuple[str, str]],
        known: tuple[Constraint, ...],
    ) -> Graph:
        """A graph of a step of training; that of the step itself goes on where the model ends."""
        frame = Frame(_opsets(self.model), 1, model, is_inline=model is not None)
        own: list[Value] = []
        with collecting(known) as assumed:
            if model is not None:
                check_names(graph, model)
            self._read_weights(graph, frame)
            for info in graph.inputs:
                if model is None or info.name not in model.values:
                    own.append(self._new_input(info, frame))
            self._build_nodes(graph.nodes, frame)
            if self.problems:
                raise self.problems.error(len(graph.nodes), self.file)
            wanted = wanted_outputs(graph, bindings, None if model is None else self.model.graph)
            outputs = {name: self._made(name, frame) for name in wanted}
        return closed(graph, frame, outputs, own, inputs, self.mutable, tuple(assumed))

    def _new_input(self, info: ValueInfo, frame: Frame) -> Value:
        if not info.name or info.name in frame.values:
            raise InvalidModelError(f"input name {info.name!r} of training is empty or stands twice")
        value = frame.values[info.name] = Value(self.types.of(info.type, f"input {info.name!r} of training"))
        return value

    def _made(self, name: str, frame: Frame) -> Value:
        value = frame.find(name, self._enter)
        if value is None:
            raise InvalidModelError(f"output {name!r} of training is made by no node")
        return value

    def _finish(
        self,
        graph: OnnxGraph,
        frame: Frame,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        assumed: Collected,
        training: tuple[TrainingStep, ...] = (),
    ) -> Graph:
        names: dict[Value, str] = {}
        for name, value in frame.values.items():
            names.setdefault(value, name)
        parameters, output_names = tuple(frame.parameters), tuple(info.name for info in graph.outputs)
        built = Graph(graph.name or "model", inputs, outputs, output_names, parameters, names, tuple(assumed), training)
        return drop_unused_parameters(with_live_names(built))

    def _read_weights(self, graph: OnnxGraph, frame: Frame) -> None:
        for tensor in graph.initializers:
            name = tensor.values.name if isinstance(tensor, SparseTensor) else tensor.name
            if not name or name in frame.values:
                raise InvalidModelError(f"initializer name {name!r} is empty or stands twice")
            if name in self.state:
                continue
            constant = self.scope.store.dense(tensor)
            value = Value(constant.type)
            frame.values[name] = value
            if name not in self.mutable:
                self.constants[value] = constant
            frame.parameters.append(Parameter(value, constant))

    def _read_inputs(self, frame: Frame) -> list[Value]:
        """Inputs that an initializer gives a value are weights (onnx IR.md: defaults of inputs), but for the state."""
        seen: set[str] = set()
        inputs: list[Value] = []
        for info in self.model.graph.inputs:
            if info.name in seen or not info.name:
                raise InvalidModelError(f"input name {info.name!r} is empty or stands twice")
            seen.add(info.name)
            if info.name in frame.values:
                self._check_default(info, frame.values[info.name])
                continue
            told = self.given.pop(info.name, None)
            value = Value(told if told is not None else self.types.of(info.type, f"input {info.name!r}"))
            frame.values[info.name] = value
            if info.name in self.known:
                self.constants[value] = constant_of(self.known[info.name])
            inputs.append(value)
        if self.given:
            known = [info.name for info in self.model.graph.inputs]
            raise UsageError(f"the model has no inputs {list(self.given)}; it has {known}")
        return inputs

    def _check_default(self, info: ValueInfo, value: Value) -> None:
        """A weight that is declared as an input, too, must be what is declared there."""
        declared = None if info.type is None else TypeTable(self.file).of(info.type, f"input {info.name!r}")
        if declared is not None and not _fits(declared, value.type):
            raise InvalidModelError(f"input {info.name!r} is declared {declared!r}, its initializer is {value.type!r}")

    def _output(self, info: ValueInfo, frame: Frame) -> Value:
        value = frame.values.get(info.name)
        if value is None:
            raise InvalidModelError(f"output {info.name!r} is made by no node")
        if info.type is not None and info.type.kind == "tensor" and info.type.dtype:
            declared = TypeTable(self.file).of(info.type, f"output {info.name!r}")
            told = f"output {info.name!r} is declared {declared!r}, the nodes make {value.type!r}"
            if not _fits(UnrankedType(dtype_of(info.type.dtype, info.name, self.file)), value.type):
                raise InvalidModelError(told)
            if not _fits(declared, value.type):
                warnings.warn(f"{self.file}: {told}", stacklevel=2)
        return value

    def _build_nodes(self, nodes: Sequence[OnnxNode], frame: Frame) -> None:
        """Builds the nodes of one graph; those of bodies and functions are counted."""
        if frame.depth > MAX_CALLS:
            raise UnsafeError(f"bodies and functions are nested more than {MAX_CALLS} deep", number=805)
        if frame.depth:
            self.built += len(nodes)
            if self.built > self.limit:
                raise UnsafeError(f"functions and bodies expand to more than {self.limit} nodes", number=806)
        for node in nodes:
            self._build(frame.resolved(node), frame)

    def _build(self, node: OnnxNode, frame: Frame) -> None:
        function = self.model.functions.get((node.domain, node.kind))
        entry = None
        if function is None:
            entry = VERSIONS.get(full_kind(node.domain, node.kind), _opset(frame, node.domain))
            if entry is None:
                self._note_absent(node, frame)
        if (entry is None and function is None) or any(frame.is_lost(name) for name in node.inputs):
            frame.lost.update(name for name in node.outputs if name)
            return
        label = "/".join((*frame.calls, node.label))
        operands = [self._operand(node, name, frame) for name in node.inputs]
        try:
            if function is not None:
                results = self._expand(node, function, operands, frame)
            else:
                source = Source("onnx", self.file, label, node.kind, order=node.order)
                with sourced(source, *former_sources(node)):
                    results = self._call(node, entry, operands, frame)
        except LostError:
            frame.lost.update(name for name in node.outputs if name)
            return
        except UnsupportedError as error:
            self.problems.note(node.kind, error.message, error.hint, label)
            frame.lost.update(name for name in node.outputs if name)
            return
        except XirError as error:
            if error.source.layer is None or not frame.depth:
                error.source = type(error.source)(self.file, label, node.kind)
            raise
        self._bind(node, results, frame)

    def _call(
        self, node: OnnxNode, entry: Entry | None, operands: Sequence[Value | None], frame: Frame
    ) -> tuple[Value, ...]:
        if entry is None:
            raise InvalidModelError(f"{node.kind} has no handler")
        operands = given(entry, operands)
        for name, attribute in node.attributes.items():
            if attribute.reference:
                raise InvalidModelError(f"attribute {name!r} refers to a function's attribute outside a function")

        def build_body(body: OnnxGraph, types: Sequence[Type | None]) -> Body:
            return self._body(body, types, frame)

        def inline_body(body: OnnxGraph) -> tuple[Value, ...]:
            return self._inline(body, frame)

        site = Site(node, _opset(frame, node.domain), self.scope, build_body, inline_body)
        result = handled(entry, site, operands)
        unknown = site.unknown()
        if unknown:
            raise UnsupportedError(f"unknown attributes {', '.join(repr(name) for name in unknown)}")
        return (result,) if isinstance(result, Value) else tuple(result)

    def _bind(self, node: OnnxNode, results: Sequence[Value], frame: Frame) -> None:
        wanted = [name for name in node.outputs]
        while wanted and not wanted[-1]:
            wanted.pop()
        if len(wanted) > len(results):
            reason = f"{len(wanted)} outputs are asked for, {len(results)} are made"
            self.problems.note(node.kind, reason, None, node.label)
            frame.lost.update(name for name in node.outputs if name)
            return
        for name, value in zip(wanted, results, strict=False):
            if not name:
                continue
            if name in frame.values:
                raise InvalidModelError(f"{name!r} is made twice", file=self.file, layer=node.label, kind=node.kind)
            frame.values[name] = value

    def _operand(self, node: OnnxNode, name: str, frame: Frame) -> Value | None:
        if not name:
            return None
        value = frame.find(name, self._enter)
        if value is None:
            raise InvalidModelError(
                f"reads {name!r}, which no earlier node makes",
                file=self.file,
                layer=node.label,
                kind=node.kind,
                hint="the nodes stand in no order in which they can be run, or a part of the file is missing",
            )
        return value

    def _enter(self, outer: Value) -> Value:
        """An input of a body for a value of the graph around it; what is known of the value stays known."""
        value = Value(outer.type)
        self.scope.contents.outer[value] = outer
        constant = self.scope.constant_of(outer)
        if constant is not None:
            self.constants[value] = constant
        return value

    def _expand(
        self, node: OnnxNode, function: OnnxFunction, operands: Sequence[Value | None], frame: Frame
    ) -> tuple[Value, ...]:
        """The nodes of a function in place of its call (onnx IR.md, Functions)."""
        check_call(node, function, operands, frame)
        inner = Frame(
            function.opsets or frame.opsets,
            frame.depth + 1,
            None,
            {**function.defaults, **node.attributes},
            (*frame.calls, node.label),
            (*frame.functions, (function.domain, function.name)),
        )
        given = dict(zip(function.inputs, operands, strict=False))
        inner.values.update((name, value) for name, value in given.items() if value is not None)
        absent = {name for name in function.inputs if name not in inner.values}
        self._build_nodes([without(inside, absent) for inside in function.nodes], inner)
        results: list[Value] = []
        for name in function.outputs[: len(node.outputs)]:
            if name in inner.lost:
                raise LostError
            if name not in inner.values:
                raise InvalidModelError(f"output {name!r} of function {function.name!r} is made by no node")
            results.append(inner.values[name])
        return tuple(results)

    def _inline(self, graph: OnnxGraph, around: Frame) -> tuple[Value, ...]:
        """The results of a body without inputs, its nodes being nodes of the graph around."""
        if graph.inputs:
            raise InvalidModelError(f"a branch takes no inputs, this one {len(graph.inputs)}")
        frame = around.inner(is_inline=True)
        self._read_weights(graph, frame)
        self._build_nodes(graph.nodes, frame)
        around.parameters += frame.parameters
        return self._results(graph, frame)

    def _results(self, graph: OnnxGraph, frame: Frame) -> tuple[Value, ...]:
        outputs: list[Value] = []
        for info in graph.outputs:
            if frame.is_lost(info.name):
                raise LostError
            found = frame.find(info.name, self._enter)
            if found is None:
                raise InvalidModelError(f"output {info.name!r} of a body is made by no node")
            outputs.append(found)
        return tuple(outputs)

    def _body(self, graph: OnnxGraph, types: Sequence[Type | None], around: Frame) -> Body:
        """A body as a closed graph."""
        frame = around.inner()
        with collecting() as assumed:
            self._read_weights(graph, frame)
            inputs: list[Value] = []
            for index, info in enumerate(graph.inputs):
                told = types[index] if index < len(types) else None
                value = Value(told or self.types.of(info.type, f"input {info.name!r} of a body"))
                if not info.name or info.name in frame.values:
                    raise InvalidModelError(f"input name {info.name!r} of a body is empty or stands twice")
                frame.values[info.name] = value
                inputs.append(value)
            self._build_nodes(graph.nodes, frame)
            outputs = self._results(graph, frame)
        self._capture_sizes(frame, inputs, outputs)
        leaves = (*inputs, *frame.captured.values())
        built = self._finish(graph, frame, leaves, outputs, assumed)
        return Body(built, tuple(frame.captured))

    def _capture_sizes(self, frame: Frame, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Captures tensors that tell the sizes of the graphs around which the body's attributes mention."""
        leaves = (*inputs, *frame.captured.values(), *(parameter.value for parameter in frame.parameters))
        for symbol in free_symbols(outputs, leaves):
            name = frame.name_with(symbol)
            if name is not None:
                frame.find(name, self._enter)

    def _note_absent(self, node: OnnxNode, frame: Frame) -> None:
        kind = full_kind(node.domain, node.kind)
        since, opset = VERSIONS.since(kind), _opset(frame, node.domain)
        if node.domain not in NEWEST:
            reason, hint = f"xir does not know the operator set {node.domain!r}", None
        elif since:
            reason, hint = f"opset {opset} is older than opset {since[0]}", "convert the model to a newer opset"
        else:
            reason, hint = "xir has no handler for it", None
        self.problems.note(kind, reason, hint, node.label)


def _fits(declared: Type, made: Type) -> bool:
    """Whether a value may be what a file says of it, which may be its element type alone."""
    if UnrankedType in (type(declared), type(made)):
        tensors = (TensorType, UnrankedType)
        return isinstance(declared, tensors) and isinstance(made, tensors) and declared.dtype is made.dtype
    return compatible(declared, made)


def _opset(frame: Frame, domain: str) -> int:
    """The version of an operator set; one that has only ever had one version need not be told."""
    return frame.opsets.get(domain, 1 if NEWEST.get(domain) == 1 else 0)


def _opsets(model: OnnxModel) -> Mapping[str, int]:
    functions = ((f"function {each.name!r}", each.opsets) for each in model.functions.values())
    for user, opsets in (("the model", model.opsets), *functions):
        for domain, newest in NEWEST.items():
            if opsets.get(domain, 0) > newest:
                name = f"{domain} version" if domain else "opset"
                raise UnsupportedError(
                    f"{user} uses {name} {opsets[domain]}; xir reads up to {newest}",
                    file=model.path,
                    hint=f"export it with {name} {newest} or older",
                )
    version = model.opsets.get("", 1 if model.ir_version < 3 else 0)
    if version == 0 and any(not node.domain for node in model.graph.nodes):
        raise InvalidModelError("the model does not say which operator set it uses", file=model.path)
    return {**model.opsets, "": version}
