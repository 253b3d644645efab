"""A TFLite file as a graph: every operator through its handler, every problem in one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError, XirError
from xir.frontends._bodies import Body, closed
from xir.frontends._contents import Contents
from xir.frontends._live_names import with_live_names
from xir.frontends._operands import Knowledge
from xir.frontends._problems import LostError, Problems
from xir.frontends.tflite._calls import called
from xir.frontends.tflite._pairs import COMPLEX
from xir.frontends.tflite._state import State
from xir.frontends.tflite.handlers import HANDLERS
from xir.frontends.tflite.model import Subgraph, TfliteModel, TfliteOperator, TfliteTensor
from xir.frontends.tflite.site import Argument, Handle, Site
from xir.frontends.tflite.tensors import constant_in, dtype_of, holds
from xir.ir.builder import sourced
from xir.ir.constant import Constant
from xir.ir.constraints import collecting
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import TensorType, Type
from xir.limits import MAX_CALLS, inlining_limit


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A file as a graph.

    Attributes:
        graph: the graph.
        state: what inputs that are the model's state begin with, by name; their new elements are outputs.
    """

    graph: Graph
    state: Mapping[str, Constant]


def build(model: TfliteModel, *, subgraph: int = 0, inputs: Mapping[str, Type] | None = None) -> Imported:
    """The graph of a subgraph of a file that was read.

    Args:
        model: the file.
        subgraph: which of its subgraphs.
        inputs: types for inputs, by name, instead of those of the file.

    Raises:
        UnsupportedError: operators that xir has no handlers for: all of them, with reasons.
        InvalidModelError: the model contradicts itself.
        UnsafeError: it asks for more than the limits allow.
    """
    try:
        return _Importer(model, subgraph, dict(inputs or {})).imported()
    except XirError as error:
        error.located(type(error.source)(model.file))
        raise


@dataclass(slots=True, eq=False)
class _Frame:
    """One subgraph while it is built.

    Attributes:
        subgraph: as it stands in the file.
        values: {number of a tensor: what it stands for}.
        lost: numbers of tensors that could not be built.
    """

    subgraph: Subgraph
    values: dict[int, Argument] = field(default_factory=dict[int, Argument])
    lost: set[int] = field(default_factory=set[int])


class _Importer:
    def __init__(self, model: TfliteModel, subgraph: int, types: dict[str, Type]) -> None:
        self.model = model
        self.main = subgraph
        self.given = types
        self.constants: dict[Value, Constant] = {}
        self.knowledge = Knowledge(Contents(self.constants), self.constants)
        self.problems = Problems()
        self.frames: list[_Frame] = []
        self.parameters: dict[tuple[int, int], Value] = {}
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.state = State(model, self.knowledge, self._new_state)
        self.built = 0
        self.limit = inlining_limit(sum(len(each.operators) for each in model.subgraphs))

    def imported(self) -> Imported:
        """The main subgraph as a graph."""
        subgraph = self.model.subgraphs[self.main]
        frame = _Frame(subgraph)
        with collecting() as assumed:
            inputs = self._inputs(subgraph, frame)
            self.state.prepare(subgraph)
            self._operators(frame)
            if self.problems:
                raise self.problems.error(len(subgraph.operators), self.model.file)
            outputs = tuple(self._output(subgraph, index, frame) for index in subgraph.outputs)
        names = self._output_names(subgraph, outputs)
        new = self.state.changed()
        names += [self._name(f"{self.names[before]}.new", "state.new") for before, _ in new]
        weights = tuple(Parameter(value, self.constants[value]) for value in self.parameters.values())
        graph = Graph(
            subgraph.name or "model",
            (*inputs, *(before for before, _ in new)),
            (*outputs, *(after for _, after in new)),
            tuple(names),
            weights,
            self.names,
            tuple(assumed),
        )
        state = {self.names[before]: self.state.initial(before) for before, _ in new}
        return Imported(drop_unused_parameters(with_live_names(graph)), state)

    def _name(self, wanted: str, otherwise: str) -> str:
        """A name that nothing has yet: files may give one to several tensors, or an empty one."""
        base = wanted or otherwise
        name, number = base, 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name

    def _inputs(self, subgraph: Subgraph, frame: _Frame) -> list[Value]:
        values: list[Value] = []
        for index in subgraph.inputs:
            tensor = subgraph.tensors[index]
            if index in frame.values:
                raise InvalidModelError(f"tensor {index} ({tensor.name!r}) is an input twice")
            if tensor.dtype in COMPLEX:
                raise UnsupportedError(f"input {tensor.name!r} holds complex numbers")
            name = self._name(tensor.name, f"input_{index}")
            value = Value(self.given.pop(name) if name in self.given else _type_of(tensor))
            frame.values[index] = value
            self.names[value] = name
            values.append(value)
        if self.given:
            known = [self.names[value] for value in values]
            raise UsageError(f"the model has no inputs {list(self.given)}; it has {known}")
        return values

    def _new_state(self, name: str, type: TensorType) -> Value:
        value = Value(type)
        self.names[value] = self._name(name, "state")
        return value

    def _output(self, subgraph: Subgraph, index: int, frame: _Frame) -> Value:
        value = self._operand(frame, index)
        if subgraph.tensors[index].dtype in COMPLEX:
            raise UnsupportedError(f"output {subgraph.tensors[index].name!r} holds complex numbers")
        if not isinstance(value, Value):
            raise InvalidModelError(f"output {subgraph.tensors[index].name!r} is no tensor")
        return value

    def _output_names(self, subgraph: Subgraph, outputs: Sequence[Value]) -> list[str]:
        """The outputs' names: those of their values, unless two are one value."""
        names: list[str] = []
        for index, value in zip(subgraph.outputs, outputs, strict=True):
            name = self.names.get(value, "")
            names.append(self._name(subgraph.tensors[index].name, "output") if not name or name in names else name)
        return names

    def _operators(self, frame: _Frame) -> None:
        if len(self.frames) > MAX_CALLS:
            raise UnsafeError(f"subgraphs are nested more than {MAX_CALLS} deep", number=805)
        if self.frames:
            self.built += len(frame.subgraph.operators)
            if self.built > self.limit:
                raise UnsafeError(f"subgraphs expand to more than {self.limit} operators", number=806)
        self.frames.append(frame)
        for operator in frame.subgraph.operators:
            self._operator(operator, frame)
        self.frames.pop()

    def _operator(self, operator: TfliteOperator, frame: _Frame) -> None:
        tensors = frame.subgraph.tensors
        label = next((tensors[index].name for index in operator.outputs if index >= 0), "") or f"{operator.order}"
        entry = HANDLERS.get(operator.kind)
        kind = operator.kind.removeprefix("CUSTOM:")
        if entry is None:
            self.problems.note(kind, *_absent(operator.kind), label)
        if entry is None or any(index in frame.lost for index in operator.inputs):
            frame.lost.update(operator.outputs)
            return
        source = Source("tflite", self.model.file, label, kind, order=operator.order)
        try:
            operands = [None if index < 0 else self._operand(frame, index) for index in operator.inputs]
            read = tuple(None if index < 0 else tensors[index] for index in operator.inputs)
            made = tuple(None if index < 0 else tensors[index] for index in operator.outputs)
            between = tuple(tensors[index] for index in operator.intermediates)
            with sourced(source):
                results = called(entry, Site(operator, read, made, self.knowledge, self, between), operands)
        except LostError:
            frame.lost.update(operator.outputs)
            return
        except UnsupportedError as error:
            self.problems.note(kind, error.message, error.hint, label)
            frame.lost.update(operator.outputs)
            return
        except XirError as error:
            error.located(source.where)
            raise
        self._bind(operator, results, frame)

    def _bind(self, operator: TfliteOperator, results: Sequence[Argument], frame: _Frame) -> None:
        for index, result in zip(operator.outputs, results, strict=False):
            if index < 0:
                continue
            tensor = frame.subgraph.tensors[index]
            if index in frame.values:
                raise InvalidModelError(f"tensor {index} ({tensor.name!r}) is made twice", file=self.model.file)
            frame.values[index] = result
            if isinstance(result, Value) and result not in self.names and len(self.frames) == 1:
                self.names[result] = self._name(tensor.name, f"tensor_{index}")

    def _operand(self, frame: _Frame, index: int) -> Argument:
        """What a tensor stands for: what was made, a weight, or state."""
        found = frame.values.get(index)
        if found is not None:
            return found
        tensor = frame.subgraph.tensors[index]
        if tensor.is_variable:
            found = self.state.variable(tensor, index)
        elif holds(self.model, tensor) or 0 in tensor.shape:
            found = self._weight(frame, index, tensor)
        else:
            raise InvalidModelError(
                f"tensor {index} ({tensor.name!r}) is read, but no earlier operator makes it",
                file=self.model.file,
                hint="the file is damaged: fetch it again",
            )
        frame.values[index] = found
        return found

    def _weight(self, frame: _Frame, index: int, tensor: TfliteTensor) -> Value:
        place = next(number for number, each in enumerate(self.model.subgraphs) if each is frame.subgraph)
        value = self.parameters.get((place, index))
        if value is None:
            constant = constant_in(self.model, tensor)
            value = self.parameters[place, index] = Value(constant.type)
            self.constants[value] = constant
            self.names[value] = self._name(tensor.name, f"weight_{index}")
        return value

    def run(self, subgraph: int, operands: Sequence[Argument]) -> tuple[Argument, ...]:
        """The results of a subgraph, its operators being part of the graph around (`site.Flow`)."""
        if not 0 <= subgraph < len(self.model.subgraphs):
            raise InvalidModelError(f"subgraph {subgraph} of {len(self.model.subgraphs)} is called")
        inner = self.model.subgraphs[subgraph]
        if len(operands) != len(inner.inputs):
            raise InvalidModelError(f"subgraph {subgraph} takes {len(inner.inputs)} values, got {len(operands)}")
        frame = _Frame(inner, dict(zip(inner.inputs, operands, strict=True)))
        self._operators(frame)
        if any(index in frame.lost for index in inner.outputs):
            raise LostError
        return tuple(self._operand(frame, index) for index in inner.outputs)

    def body(self, inputs: Sequence[Value], build: Callable[[], Sequence[Value]]) -> Body:
        """What `build` makes of these inputs, as a closed graph (`site.Flow`)."""
        held = (value for frame in self.frames for value in frame.values.values())
        known = dict.fromkeys(value for value in held if isinstance(value, Value))
        with collecting() as assumed, self.state.inside_body():
            outputs = build()
        return closed(inputs, outputs, known.keys(), assumed)

    def read(self, handle: Handle, type: TensorType) -> Value:
        """What a variable holds now (`site.Flow`)."""
        return self.state.read(handle, type)

    def assign(self, handle: Handle, value: Value) -> None:
        """Lets a variable hold a value from here on (`site.Flow`)."""
        self.state.assign(handle, value)

    def update(self, operator: TfliteOperator, index: int, value: Value) -> None:
        """Lets an operand that keeps its elements hold a value from here on (`site.Flow`)."""
        frame = self.frames[-1]
        place = operator.inputs[index]
        self.state.update(frame.subgraph.tensors[place], place, value)
        frame.values[place] = value

    def preparing(self) -> AbstractContextManager[None]:
        """What is assigned inside is what variables begin with (`site.Flow`)."""
        return self.state.preparing()

    def tables(self) -> dict[str, tuple[Constant, Constant]]:
        """{table: its keys and values} (`site.Flow`)."""
        return self.state.tables


def _type_of(tensor: TfliteTensor) -> TensorType:
    sizes = tensor.shape if tensor.signature is None else tensor.signature
    if any(size < -1 for size in sizes):
        raise InvalidModelError(f"tensor {tensor.name!r} has the shape {list(sizes)}")
    return TensorType(dtype_of(tensor), tuple(Symbol() if size == -1 else size for size in sizes))


_WITHOUT = "LiteRT has no kernel for it, and its result is said nowhere"
_OLD = "an operator of the messages of 2017 (Smart Reply) that nothing writes any more"
_UNREAD = {
    **dict.fromkeys(("CALL", "CONCAT_EMBEDDINGS", "DELEGATE", "STABLEHLO_CUSTOM_CALL"), _WITHOUT),
    **dict.fromkeys(("LSH_PROJECTION", "SKIP_GRAM"), _OLD),
}
"""{builtin operator without a handler: why}."""

_COMPILED = {"edgetpu-custom-op": "the Edge TPU", "DISPATCH_OP": "an accelerator"}
"""{custom operator that holds machine code: of what} (Coral's edgetpu_compiler; litert/core/build_stamp.h)."""


def _absent(kind: str) -> tuple[str, str | None]:
    """Why an operator has no handler, and what helps."""
    if not kind.startswith("CUSTOM:"):
        return _UNREAD.get(kind, "xir has no handler for it"), None
    name = kind.removeprefix("CUSTOM:")
    if name.startswith("Flex"):
        return f"the TensorFlow operator {name.removeprefix('Flex')!r} inside of TFLite", "load the TensorFlow model"
    if name in _COMPILED:
        return f"machine code of {_COMPILED[name]}, no computation", "convert the file that it was compiled from"
    why = "a custom operator: the file does not say what it computes"
    return why, "end the model before it (--output TENSOR), or convert the model that the file was made of"
