"""What a model keeps from one run to the next: variables, tensors that are variable, and tables."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._operands import Knowledge
from xir.frontends.tflite.model import Subgraph, TfliteModel, TfliteTensor
from xir.frontends.tflite.site import Handle
from xir.frontends.tflite.tensors import constant_in, dtype_of, holds
from xir.ir.constant import Constant, constant_of
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import MAX_FOLDED_BYTES, byte_count

NewState = Callable[[str, TensorType], Value]
"""(name, type) -> an input of the graph that is state."""


class State:
    """The state of one model while it is built: what each variable begins with, and what it holds now.

    A variable that only the initialisation assigns is a constant. One that a run assigns is an input of the graph with
    its first elements, and its last ones are an output.

    Attributes:
        tables: {table: its keys and values}.
    """

    def __init__(self, model: TfliteModel, knowledge: Knowledge, new: NewState) -> None:
        """Nothing is held."""
        self.model = model
        self.knowledge = knowledge
        self.tables: dict[str, tuple[Constant, Constant]] = {}
        self._new = new
        self._assigned: set[str] = set()
        self._current: dict[str, Value] = {}
        self._begins: dict[Value, Constant] = {}
        self._entries: dict[str, Value] = {}
        self._is_preparing = False
        self._depth = 0

    def prepare(self, subgraph: Subgraph) -> None:
        """Finds the variables that a run assigns."""
        names: dict[int, str] = {}
        for operator in subgraph.operators:
            if operator.kind == "VAR_HANDLE" and operator.options is not None and operator.outputs:
                names[operator.outputs[0]] = operator.options.text("shared_name") or ""
            if operator.kind == "ASSIGN_VARIABLE" and operator.inputs:
                self._assigned.add(names.get(operator.inputs[0], ""))

    @contextmanager
    def preparing(self) -> Generator[None]:
        """Assignments inside are what variables begin with (CALL_ONCE)."""
        self._is_preparing = True
        try:
            yield
        finally:
            self._is_preparing = False

    @contextmanager
    def inside_body(self) -> Generator[None]:
        """Inside, nothing can be assigned: a body may run any number of times."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def changed(self) -> list[tuple[Value, Value]]:
        """(input, what it holds at the end) of each piece of state that the run changes."""
        return [(entry, self._current[key]) for key, entry in self._entries.items()]

    def initial(self, entry: Value) -> Constant:
        """What an input that is state begins with."""
        return self._begins[entry]

    def read(self, handle: Handle, type: TensorType) -> Value:
        """What a variable holds now.

        Raises:
            UnsupportedError: nothing has been assigned to it that is known before the run.
        """
        if handle.name not in self._current:
            raise UnsupportedError(f"the variable {handle.name!r} is read, but nothing is assigned to it")
        return self._current[handle.name]

    def assign(self, handle: Handle, value: Value) -> None:
        """Lets a variable hold a value from here on.

        Raises:
            UnsupportedError: in a body; or it begins with something that is not known before the run.
        """
        if self._depth:
            raise UnsupportedError("a variable that is assigned inside of a branch or loop")
        if self._is_preparing and handle.name in self._assigned:
            constant = self.knowledge.constant_of(value)
            if constant is None:
                raise UnsupportedError("a variable that begins with something that is computed")
            entry = self._new(handle.name, constant.type)
            self._begins[entry] = constant
            self._entries[handle.name] = value = entry
        self._current[handle.name] = value

    def variable(self, tensor: TfliteTensor, index: int) -> Value:
        """What a tensor that keeps its elements begins a run with: those of the run before, at first zeros.

        Raises:
            UnsupportedError: it is in a body.
        """
        if self._depth:
            raise UnsupportedError("a tensor that keeps its elements inside of a branch or loop")
        if holds(self.model, tensor):
            constant = constant_in(self.model, tensor)
        else:
            dtype = dtype_of(tensor)
            if byte_count(tensor.shape, dtype.bits, what=f"tensor {tensor.name!r}") > MAX_FOLDED_BYTES:
                raise InvalidModelError(f"the state {tensor.name!r} of {list(tensor.shape)} is too large")
            zero = tensor.quantization.zero_points[0] if tensor.quantization is not None else 0
            constant = constant_of(np.full(tensor.shape, zero), dtype)
        key = f"{index}:{tensor.name}"
        entry = self._new(tensor.name, constant.type)
        self._begins[entry] = constant
        self._entries[key] = self._current[key] = entry
        return entry

    def update(self, tensor: TfliteTensor, index: int, value: Value) -> None:
        """Lets a tensor that keeps its elements hold a value from here on."""
        key = f"{index}:{tensor.name}"
        if key not in self._entries:
            raise UnsupportedError("state that is no variable tensor")
        self._current[key] = value
