"""Layers and operations of a functional model while they are made of the operators of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from xir.backends.export.tflite._form import identity_of
from xir.backends.export.tflite._plan import Plan, Tensor
from xir.errors import UnsupportedError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.keras_layout import Json

_MODULES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("Cast", "ScatterUpdate"), "core"),
        **dict.fromkeys(("Erf", "Logsumexp", "Rsqrt", "TopK"), "math"),
        **dict.fromkeys(("Celu", "Elu", "Gelu", "HardSigmoid", "HardSilu", "LogSoftmax", "Relu", "Relu6"), "nn"),
        **dict.fromkeys(("Selu", "Sigmoid", "Silu", "Softmax", "Softplus", "Softsign"), "nn"),
    }
)
"""{operation: its module under keras.src.ops}; the others stand in `numpy`."""

_PARTS: Mapping[str, str] = MappingProxyType({"GRU": "cell", "LSTM": "cell", "SimpleRNN": "cell"})
"""{layer: the attribute of what holds its weights}."""

Place: TypeAlias = tuple[str, int]
"""A layer that is called once, and which of its results."""

LAYERS = "keras.layers"
"""The module of layers."""

_INLINE = 256
"""Elements of real numbers up to which they stand in the configuration; more are weights, of an Embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One layer or operation, called once.

    Attributes:
        kind: its class.
        name: its own name.
        module: where Python finds the class.
        config: its settings.
        arguments: what it is called with, or None for inputs.
        weights: its weights.
        named: what it is called with by name.
    """

    kind: str
    name: str
    module: str
    config: Mapping[str, Json]
    arguments: Sequence[Json] | None
    weights: Sequence[Constant] = ()
    named: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer, which may have weights."""
        return self.module == LAYERS

    @property
    def part(self) -> str | None:
        """The attribute of what holds its weights, or None where it does itself."""
        return _PARTS.get(self.kind)

    def described(self) -> dict[str, Json]:
        """As the configuration of a model has it (keras/src/models/functional.py, `serialize_node`)."""
        calls: list[Json] = [{"args": list(self.arguments or ()), "kwargs": dict(self.named)}]
        return {
            "module": self.module,
            "class_name": self.kind,
            "config": {**self.config, "name": self.name},
            "registered_name": None if self.is_layer else self.kind,
            "name": self.name,
            "inbound_nodes": [] if self.arguments is None else calls,
        }


@dataclass(slots=True, eq=False)
class Layers:
    """The layers of a plan.

    Attributes:
        plan: the operators.
        entries: the layers and operations that were made, in order.
        places: {tensor of the plan: the layer that makes it, and which of its results it is}.
        inputs: the names of the inputs' layers.
        outputs: what the outputs are.
    """

    plan: Plan
    entries: list[Entry] = field(default_factory=list[Entry])
    places: dict[int, Place] = field(default_factory=dict[int, "Place"])
    inputs: list[str] = field(default_factory=list[str])
    outputs: list[Place] = field(default_factory=list["Place"])
    _taken: set[str] = field(default_factory=set[str])
    _known: set[str] = field(default_factory=set[str])
    _zeros: dict[DType, Json] = field(default_factory=dict[DType, Json])

    def __post_init__(self) -> None:
        """Keeps the names that people know for what they name."""
        graph = self.plan.graph
        self._known = {*graph.names.values(), *graph.output_names, *graph.input_names}

    def tensor(self, number: int) -> Tensor:
        """A tensor of the plan."""
        return self.plan.tensors[number]

    def _fresh(self, wanted: str) -> str:
        """A name that nothing has and that Keras takes: it has no `/` (keras/src/ops/operation.py)."""
        name, number = wanted, 1
        while name in self._taken or (name in self._known and name != wanted):
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def _name(self, kind: str, made: int | TensorType) -> str:
        """That of the tensor where people know it, else one after the class."""
        known = self.tensor(made).name if isinstance(made, int) else ""
        if known in self._known:
            return self._fresh(known.replace("/", "_"))
        return self._fresh(f"{kind.lower()}_{len(self.entries)}")

    def input(self, number: int, name: str) -> None:
        """An input of the model."""
        held = self.tensor(number)
        config: dict[str, Json] = {"batch_shape": _sizes(held), "dtype": _word(held.dtype)}
        self.inputs.append(self._fresh(name.replace("/", "_")))
        self._enter(Entry("InputLayer", self.inputs[-1], LAYERS, config, None), number)

    def output(self, number: int, name: str) -> None:
        """An output of the model: the one result of a layer that is called so."""
        wanted = name.replace("/", "_")
        if self.places.get(number) != (wanted, 0) or wanted in self.inputs:
            source = self.called(number)
            self._enter(Entry("Identity", self._fresh(wanted), LAYERS, {"dtype": "float32"}, [source]), number)
        self.outputs.append(self.places[number])

    def layer(
        self,
        kind: str,
        arguments: Sequence[Json],
        made: int | TensorType,
        weights: Sequence[Constant] = (),
        named: Mapping[str, Json] | None = None,
        /,
        **config: Json,
    ) -> Json:
        """One more layer; answers how a call refers to its first result.

        Args:
            kind: its class.
            arguments: what it is called with.
            made: the tensor of the plan that it makes, or the type of a tensor that the plan does not know.
            weights: its weights, in Keras's order.
            named: what it is called with by name.
            config: its settings.
        """
        held = {"dtype": "float32", **config}
        return self._enter(Entry(kind, self._name(kind, made), LAYERS, held, arguments, weights, named or {}), made)

    def operation(self, kind: str, arguments: Sequence[Json], made: int | TensorType, /, **config: Json) -> Json:
        """One more operation of `keras.ops`; as `layer`."""
        module = f"keras.src.ops.{_MODULES.get(kind, 'numpy')}"
        return self._enter(Entry(kind, self._name(kind, made), module, config, arguments), made)

    def _enter(self, entry: Entry, made: int | TensorType) -> Json:
        self.entries.append(entry)
        if isinstance(made, TensorType):
            return _reference((entry.name, 0), made)
        self.places[made] = entry.name, 0
        return self._refer(made)

    def _refer(self, number: int) -> Json:
        if number not in self.places:
            raise UnsupportedError("an operand that cannot be said")
        return _reference(self.places[number], self.tensor(number))

    def other(self, index: int, type: TensorType) -> Json:
        """How a call refers to another result of the last layer."""
        return _reference((self.entries[-1].name, index), type)

    def result(self, index: int, number: int) -> None:
        """A tensor of the plan that is another result of the last layer."""
        self.places[number] = self.entries[-1].name, index

    def array(self, number: int) -> Array:
        """The elements of a tensor that the plan knows, in the plan's order of axes.

        Raises:
            UnsupportedError: only the run tells them.
        """
        held = self.tensor(number)
        if held.constant is None:
            raise UnsupportedError("weights or sizes that are computed at run time")
        return held.constant.array().transpose(held.perm or identity_of(len(held.shape)))

    def is_known(self, number: int) -> bool:
        """Whether the plan knows the elements of a tensor."""
        return self.tensor(number).constant is not None

    def weight(self, number: int, shape: Sequence[int] | None = None) -> Constant:
        """The elements of a tensor as a weight, in a shape of as many."""
        array = self.array(number)
        held = np.ascontiguousarray(array if shape is None else array.reshape(tuple(shape)))
        return constant_of(held.astype(np.float32, copy=False), DType.FLOAT32)

    def turned(self, number: int) -> Constant:
        """The one matrix of a tensor as a weight, its axes swapped."""
        array = self.array(number)
        held = np.ascontiguousarray(array.reshape(array.shape[-2:]).T)
        return constant_of(held.astype(np.float32, copy=False), DType.FLOAT32)

    def numbers(self, number: int) -> list[int]:
        """A vector of whole numbers that the plan knows."""
        return [int(item) for item in self.array(number).reshape(-1)]

    def read(self, number: int) -> Json:
        """How a call refers to a tensor; few known elements stand in the call itself."""
        held = self.tensor(number)
        if held.constant is None or number in self.places:
            return self._refer(number)
        array = self.array(number)
        return literal(array, held.dtype) if array.size and self._is_short(held, array) else self.called(number)

    def _is_short(self, held: Tensor, array: Array) -> bool:
        return array.size <= _INLINE or held.dtype is not DType.FLOAT32

    def called(self, number: int) -> Json:
        """How a call refers to a tensor that is the result of a layer; known elements become one."""
        if number not in self.places:
            held, array = self.tensor(number), self.array(number)
            if not array.size:
                self.operation("BroadcastTo", [self._zero(held.dtype)], number, shape=list(array.shape))
            elif self._is_short(held, array):
                operator = "LogicalOr" if held.dtype is DType.BOOL else "Add"
                self.operation(operator, [self._zero(held.dtype), literal(array, held.dtype)], number)
            else:
                self._weighed(number)
        return self._refer(number)

    def _weighed(self, number: int) -> None:
        """Many elements as the one row of an Embedding."""
        shape = self.array(number).shape
        count = prod(shape)
        place = self.operation("Reshape", [self._zero(DType.INT32)], TensorType(DType.INT32, (1,)), newshape=[1])
        weight = self.weight(number, (1, count))
        row = self.layer(
            "Embedding", [place], TensorType(DType.FLOAT32, (1, count)), (weight,), input_dim=1, output_dim=count
        )
        self.operation("Reshape", [row], number, newshape=list(shape))

    def _zero(self, dtype: DType) -> Json:
        """A 0 that is the result of an operation: of the first element of an input.

        Raises:
            UnsupportedError: no input has elements.
        """
        first = next((number for number in self.plan.inputs if 0 not in self.tensor(number).shape), None)
        if first is None:
            raise UnsupportedError("results that depend on no input that has elements")
        if dtype not in self._zeros:
            held = self.tensor(first)
            key: list[Json] = [0] * len(held.shape)
            item = self.operation("GetItem", [self._refer(first), key], TensorType(held.dtype, ()))
            self._zeros[dtype] = self.operation("ZerosLike", [item], TensorType(dtype, ()), dtype=_word(dtype))
        return self._zeros[dtype]


def _word(dtype: DType) -> str:
    return dtype.dtype.name


def _sizes(type: Tensor | TensorType) -> list[Json]:
    return [size if isinstance(size, int) else None for size in type.shape]


def _reference(place: Place, type: Tensor | TensorType) -> Json:
    """A tensor as a call has it (keras/src/saving/serialization_lib.py)."""
    name, index = place
    config: dict[str, Json] = {"shape": _sizes(type), "dtype": _word(type.dtype), "keras_history": [name, 0, index]}
    return {"class_name": "__keras_tensor__", "config": config}


def literal(array: Array, dtype: DType) -> Json:
    """Known elements as an argument of a call (keras/src/saving/serialization_lib.py)."""
    held: Json = array.tolist()
    return {"class_name": "__numpy__", "config": {"value": held, "dtype": _word(dtype)}}
