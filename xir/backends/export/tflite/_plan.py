"""From a graph to operators and numbered tensors: each value in the orders of axes in which it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Fixed,
    Free,
    Laid,
    Late,
    Operand,
    Permutation,
    Reordered,
    Reshaped,
    Said,
    Scaled,
    Sizes,
    Steps,
    identity_of,
    literal_of,
    ordered,
)
from xir.backends.export.tflite._tables import answer, said_of
from xir.errors import UnsupportedError, XirError
from xir.flatbuffer.write import Content
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Shape
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.source import Sources
from xir.ir.types import DType, TensorType
from xir.reference.execute import run_node

Scales = tuple[tuple[float, ...], tuple[int, ...], int]
"""Scales, zero points, and the axis of the file along which they go."""


@dataclass(slots=True, eq=False)
class Tensor:
    """One tensor of the file.

    Attributes:
        dtype: its element type.
        shape: its sizes, in the file's order.
        name: what it is called; empty until it is named.
        constant: its elements in our order, or None where an operator or the caller makes them.
        perm: the order of axes in which the elements are written.
        quantization: its scales, zero points, and the axis of the file along which they go.
    """

    dtype: DType
    shape: Shape
    name: str = ""
    constant: Constant | None = None
    perm: Permutation | None = None
    quantization: Scales | None = None


@dataclass(slots=True, eq=False)
class Record:
    """One operator of the file: numbers of its tensors, -1 where an operand is left out."""

    kind: str
    inputs: list[int]
    outputs: list[int]
    options: tuple[str, Mapping[str, Content]] | None
    source: Sources = ()


@dataclass(slots=True, eq=False)
class Plan:
    """The operators and tensors that one graph becomes.

    Attributes:
        graph: in operators that have a form each.
        tensors: those of the file.
        records: the operators, in order.
        inputs: the tensors of the graph's inputs.
        outputs: the tensors of its outputs.
        module: the plans of all subgraphs of the file, the main one first.
        answer: what the format's tables say of a node.
    """

    graph: Graph
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    records: list[Record] = field(default_factory=list[Record])
    inputs: list[int] = field(default_factory=list[int])
    outputs: list[int] = field(default_factory=list[int])
    module: list[Plan] = field(default_factory=list["Plan"])
    answer: Callable[[Node], Answer] = answer
    _held: dict[Value, dict[Permutation, int]] = field(default_factory=dict[Value, dict[Permutation, int]])
    _aliases: dict[Value, tuple[Value, Permutation]] = field(default_factory=dict[Value, tuple[Value, Permutation]])
    _fixed: dict[Value, Constant] = field(default_factory=dict[Value, Constant])
    _late: dict[Value, tuple[Node, Late]] = field(default_factory=dict[Value, tuple[Node, Late]])
    _flat: dict[Value, Laid] = field(default_factory=dict[Value, Laid])
    _literals: dict[tuple[object, ...], int] = field(default_factory=dict[tuple[object, ...], int])
    _known: dict[int, Value] = field(default_factory=dict[int, Value])
    _sizes: dict[Dim, int] = field(default_factory=dict[Dim, int])

    def build(self) -> None:
        """Fills the plan."""
        if not self.module:
            self.module.append(self)
        for parameter in self.graph.parameters:
            self._fixed[parameter.value] = parameter.constant
        for value in self.graph.inputs:
            self.inputs.append(self._new(value.dtype, value.shape))
            self._held[value] = {identity_of(value.rank): self.inputs[-1]}
        for node in self.graph.nodes:
            try:
                self._say(node, said_of(node, self.answer))
            except XirError as error:
                raise error.located(node.source[0].where) if node.source else error from None
        self.outputs = [self._output(value) for value in self.graph.outputs]
        self._name()

    def _say(self, node: Node, said: Said) -> None:
        match said:
            case Reordered(value, perm):
                self._aliases[node.outputs[0]] = self._seen(value, perm)
            case Reshaped(value):
                self._reshape(node, value)
            case Late():
                literal = literal_of(node.outputs[0])
                if literal is not None:
                    self._fixed[node.outputs[0]] = literal
                else:
                    self._late[node.outputs[0]] = node, said
            case Scaled():
                self._scale(node, said)
            case Free():
                self._write(node, said.make(self._order(said.leads)))
            case Call():
                self._write(node, said)
            case Steps(write):
                write(self, node)

    def _scale(self, node: Node, said: Scaled) -> None:
        """QUANTIZE and DEQUANTIZE in the order of axes that is there; known integers are written where they are read.

        Those of a bias become real numbers at once: DEQUANTIZE takes no i32.
        """
        result = node.outputs[0]
        if said.kind == "DEQUANTIZE" and self.is_fixed(said.value):
            if said.value.dtype is DType.INT32:
                arrays = [None if value is None else self.constant(value).array() for value in node.inputs]
                self._fixed[result] = constant_of(run_node(node, arrays)[0])
            else:
                self._late[result] = node, Late(Free((said.value,), lambda perm: self._scaled_call(said, perm)))
            return
        self._write(node, self._scaled_call(said, self._order((said.value,))))
        if said.kind == "QUANTIZE":
            for perm, tensor in self._held[result].items():
                self.tensors[tensor].quantization = self._scales(said, perm)

    def _scaled_call(self, said: Scaled, perm: Permutation) -> Call:
        """The operator; its operand's integers learn their scales."""
        source: Operand = Laid(said.value, perm)
        if said.kind == "DEQUANTIZE":
            scales = self._scales(said, perm)
            root, order = self._seen(said.value, perm)
            source = self.literal(self._fixed[root], order, scales) if root in self._fixed else self.read(root, order)
            self.tensors[source].quantization = scales
        return Call(said.kind, (source,), (f"{said.kind.capitalize()}Options", {}), perm)

    def _scales(self, said: Scaled, perm: Permutation) -> Scales:
        scales = self.constant(said.scale).array().reshape(-1)
        points = np.zeros(len(scales)) if said.zero is None else self.constant(said.zero).array().reshape(-1)
        numbers = tuple(float(scale) for scale in scales), tuple(int(point) for point in points)
        return (*numbers, perm.index(said.axis) if len(scales) > 1 else 0)

    def constant(self, value: Value) -> Constant:
        """The elements of a value that the file knows.

        Raises:
            UnsupportedError: it does not.
        """
        root, perm = self._seen(value, identity_of(value.rank))
        if root not in self._fixed:
            raise UnsupportedError("scales and zero points that are computed at run time")
        held = self._fixed[root]
        return held if perm == identity_of(value.rank) else constant_of(held.array().transpose(perm), held.dtype)

    def _write(self, node: Node, call: Call) -> None:
        inputs = self._flattened(call) or [self._ref(operand) for operand in call.inputs]
        outputs: list[int] = []
        casts: list[tuple[int, int]] = []
        for index, value in enumerate(node.outputs):
            perm = call.perm if call.perm is not None and len(call.perm) == value.rank else identity_of(value.rank)
            made = call.types.get(index, value.dtype)
            shape = ordered(perm, value.shape)
            outputs.append(self._new(made, shape))
            held = outputs[-1]
            if made is not value.dtype:
                held = self._new(value.dtype, shape)
                casts.append((outputs[-1], held))
            self._held[value] = {perm: held}
        self.records.append(Record(call.kind, inputs, outputs, call.options, node.source))
        for before, after in casts:
            self.records.append(Record("CAST", [before], [after], ("CastOptions", {}), node.source))

    def _new(self, dtype: DType, shape: Shape) -> int:
        self.tensors.append(Tensor(dtype, tuple(shape)))
        return len(self.tensors) - 1

    def add(
        self, kind: str, inputs: list[int], shape: Shape, dtype: DType, options: str = "", **fields: Content
    ) -> int:
        """An operator of the plan's own, with one result."""
        made = self._new(dtype, shape)
        self.records.append(Record(kind, inputs, [made], (options, fields) if options else None))
        return made

    def finish(
        self,
        node: Node,
        kind: str,
        inputs: list[int],
        options: tuple[str, Mapping[str, Content]],
        results: Sequence[Value | TensorType],
    ) -> list[int]:
        """An operator with results of which those that are values are the node's own; the numbers of all."""
        outputs: list[int] = []
        for result in results:
            type = result if isinstance(result, TensorType) else result.tensor
            outputs.append(self._new(type.dtype, type.shape))
            if isinstance(result, Value):
                self.hold(result, outputs[-1])
        self.records.append(Record(kind, inputs, outputs, options, node.source))
        return outputs

    def hold(self, value: Value, made: int) -> None:
        """Lets a tensor of the file be a value of ours, in our order of axes."""
        self._held[value] = {identity_of(value.rank): made}

    def _ref(self, operand: Operand) -> int:
        match operand:
            case None:
                return -1
            case int():
                return operand
            case Value():
                return self.read(operand)
            case Laid(value, perm):
                return self.read(value, perm)
            case Fixed(array):
                return self.literal(constant_of(array))
            case Sizes(dims, paired):
                vector = self.sizes(dims)
                return self.reshaped(vector, (len(dims) // 2, 2), DType.INT32) if paired else vector

    def literal(self, constant: Constant, perm: Permutation | None = None, scales: Scales | None = None) -> int:
        """The tensor of known elements; equal ones are one."""
        order = identity_of(len(constant.shape)) if perm is None else perm
        key = (constant.type, constant.digest(), order, scales)
        if key not in self._literals:
            number = self._literals[key] = self._new(constant.dtype, ordered(order, constant.shape))
            self.tensors[number].constant, self.tensors[number].perm = constant, order
        return self._literals[key]

    def _seen(self, value: Value, perm: Permutation) -> tuple[Value, Permutation]:
        """The value behind reorderings, and the order of its axes that `perm` of this one is."""
        while value in self._aliases:
            value, before = self._aliases[value]
            perm = tuple(before[axis] for axis in perm)
        return value, perm

    def _operand(self, operand: Operand) -> tuple[Value | None, Permutation]:
        """The value behind an operand and the order of its axes; None where it is none of the graph."""
        match operand:
            case Value():
                return self._seen(operand, identity_of(operand.rank))
            case Laid(value, perm):
                return self._seen(value, perm)
            case _:
                return None, ()

    def _layouts(self, value: Value) -> list[Permutation]:
        """The orders of axes in which a value is there already."""
        root, seen = self._seen(value, identity_of(value.rank))
        return [tuple(seen.index(axis) for axis in perm) for perm in self._held.get(root, {})]

    def _order(self, leads: Sequence[Value]) -> Permutation:
        """The order of axes for which the fewest operands must be transposed; large ones count more."""
        layouts = [(value, self._layouts(value)) for value in leads if not self.is_fixed(value)]
        found = dict.fromkeys(perm for _, held in layouts for perm in held)
        if not found:
            return identity_of(leads[0].rank)
        return min(found, key=lambda perm: sum(_weight(value) for value, held in layouts if perm not in held))

    def is_fixed(self, value: Value) -> bool:
        """Whether the file holds the elements."""
        return self._seen(value, identity_of(value.rank))[0] in self._fixed

    def read(self, value: Value, perm: Permutation | None = None) -> int:
        """The tensor of a value with its axes in an order; one that is not there yet is transposed."""
        value, perm = self._seen(value, identity_of(value.rank) if perm is None else perm)
        if value in self._fixed:
            number = self.literal(self._fixed[value], perm)
            self._known.setdefault(number, value)
            return number
        if value in self._late:
            node, late = self._late.pop(value)
            if late.call is not None:
                self._write(node, late.call.make(perm))
        if value in self._flat and value not in self._held:
            made = self.reshaped(self.read(self._flat[value].value), value.shape, value.dtype)
            self._held[value] = {identity_of(value.rank): made}
        held = self._held[value]
        if perm not in held:
            before, tensor = next(iter(held.items()))
            shape = ordered(perm, value.shape)
            step = tuple(before.index(axis) for axis in perm)
            if _keeps_order(step, self.tensors[tensor].shape) and _telling(shape) is not None:
                made = self.reshaped(tensor, shape, value.dtype)
            else:
                order = self.literal(constant_of(np.array(step, np.int32)))
                made = self.add("TRANSPOSE", [tensor, order], shape, value.dtype, "TransposeOptions")
            self.tensors[made].quantization = _moved(self.tensors[tensor].quantization, step)
            held[perm] = made
        return held[perm]

    def _reshape(self, node: Node, x: Value) -> None:
        """A reshape: where it only adds or takes away axes of size 1 it works in any order of axes."""
        result = node.outputs[0]
        if self.is_fixed(x) and None not in (x.tensor.static_shape, result.tensor.static_shape):
            root, perm = self._seen(x, identity_of(x.rank))
            array = self._fixed[root].array().transpose(perm).reshape(result.tensor.static_shape or ())
            self._fixed[result] = constant_of(array, x.dtype)
            return
        for perm in self._layouts(x):
            order = _order_after(perm, x.shape, result.shape)
            if order is not None:
                tensor = self.read(x, perm)
                made = self.reshaped(tensor, ordered(order, result.shape), result.dtype)
                self._held[result] = {order: made}
                return
        there = self._layouts(x)
        if there and identity_of(x.rank) not in there and _flattens(there[0], x.shape, result.shape):
            self._flat[result] = Laid(x, there[0])
            return
        made = self.reshaped(self.read(x), result.shape, result.dtype)
        self._held[result] = {identity_of(result.rank): made}

    def _flattened(self, call: Call) -> list[int] | None:
        """The operands of a product with an image in one row, which stays in the order in which it is there.

        The columns of the known weights, which belong to the elements of the row, take that order, too.
        """
        if call.kind != "FULLY_CONNECTED":
            return None
        (row, turned), (weights, order) = map(self._operand, call.inputs[:2])
        image = None if row is None else self._flat.get(row)
        if row is None or image is None or turned != (0, 1) or weights not in self._fixed:
            return None
        held = self._fixed[weights].array().transpose(order)
        sizes = [size for size in image.value.shape[1:] if isinstance(size, int)]
        moved = held.reshape(-1, *sizes).transpose(image.perm).reshape(held.shape)
        flat = self.reshaped(self._ref(image), row.shape, row.dtype)
        return [flat, self.literal(constant_of(moved)), *(self._ref(each) for each in call.inputs[2:])]

    def reshaped(self, tensor: int, shape: Shape, dtype: DType) -> int:
        """A tensor in another shape."""
        told = _telling(shape)
        target = self.sizes(shape) if told is None else self.literal(constant_of(np.array(told, np.int32)))
        fields: dict[str, Content] = {} if told is None else {"new_shape": told}
        made = self.add("RESHAPE", [tensor, target], shape, dtype, "ReshapeOptions", **fields)
        quantization = self.tensors[tensor].quantization
        self.tensors[made].quantization = quantization if quantization and len(quantization[0]) == 1 else None
        return made

    def sizes(self, dims: Shape) -> int:
        """Sizes as a vector."""
        from xir.backends.export.tflite._sizes import vector_of

        return vector_of(self, dims, self._sizes)

    def places_of_sizes(self) -> Iterator[tuple[Dim, int, int]]:
        """Sizes that a tensor has: (size, tensor, axis in the file)."""
        for value, held in self._held.items():
            del value
            for tensor in held.values():
                for axis, size in enumerate(self.tensors[tensor].shape):
                    if not isinstance(size, int):
                        yield size, tensor, axis

    def _output(self, value: Value) -> int:
        """The tensor of an output: each its own, and none of them an input or a weight."""
        tensor = self.read(value)
        taken = tensor in self.inputs or self.tensors[tensor].constant is not None
        return self.reshaped(tensor, value.shape, value.dtype) if taken else tensor

    def _name(self) -> None:
        """Names each tensor: inputs and outputs as the graph does, the rest by the value that it holds."""
        taken: set[str] = set()
        groups = (
            zip(self.inputs, self.graph.input_names, strict=True),
            zip(self.outputs, self.graph.output_names, strict=True),
            (
                (tensor, self.graph.names.get(value, ""))
                for value, held in self._held.items()
                for tensor in held.values()
            ),
            ((number, self.graph.names.get(value, "")) for number, value in self._known.items()),
            enumerate(["tensor"] * len(self.tensors)),
        )
        for group in groups:
            for number, wanted in group:
                if not self.tensors[number].name and wanted:
                    self.tensors[number].name = _fresh(wanted, taken)


def _fresh(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def _weight(value: Value) -> int:
    """How much it costs to move a value: its elements, sizes that are not known taken as large."""
    total = 1
    for size in value.shape:
        total *= size if isinstance(size, int) else 16
    return total


def _keeps_order(step: Permutation, shape: Shape) -> bool:
    """Whether a transposition moves axes of size 1 alone, so that no element changes its place."""
    kept = [axis for axis in step if shape[axis] != 1]
    return kept == sorted(kept)


def _telling(shape: Shape) -> list[int] | None:
    """The sizes for a reshape, with -1 for one that is not known; None where two are not, or one is nothing."""
    odd = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    if len(odd) > 1 or (odd and 0 in shape):
        return None
    return [size if isinstance(size, int) else -1 for size in shape]


def _order_after(perm: Permutation, old: Shape, new: Shape) -> Permutation | None:
    """The order of axes of a reshape's result whose operand has the order `perm`, or None where it must be plain.

    Axes of size 1 come and go anywhere; where they are all that changes, the others keep their order. Where the others
    stand in our own order anyway, the result has our own.
    """
    if _keeps_order(perm, old):
        return identity_of(len(new))
    kept_old = [axis for axis, size in enumerate(old) if size != 1]
    kept_new = [axis for axis, size in enumerate(new) if size != 1]
    if [old[axis] for axis in kept_old] != [new[axis] for axis in kept_new]:
        return None
    moved = dict(zip(kept_old, kept_new, strict=True))
    ones = [axis for axis, size in enumerate(new) if size == 1]
    order = [moved[axis] for axis in perm if axis in moved]
    return (*(axis for axis in ones if axis == 0), *order, *(axis for axis in ones if axis != 0))


def _flattens(perm: Permutation, old: Shape, new: Shape) -> bool:
    """Whether a reshape puts all axes but the first together, and knows their sizes; `perm` leaves the first."""
    return perm[0] == 0 and len(new) == 2 and old[0] == new[0] and all(isinstance(size, int) for size in old[1:])


def _moved(quantization: Scales | None, step: Permutation) -> Scales | None:
    if quantization is None or len(quantization[0]) == 1:
        return quantization
    return quantization[0], quantization[1], step.index(quantization[2])
