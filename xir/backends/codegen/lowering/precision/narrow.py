"""Products with few rows and weights of 4 or 8 bits, for decoding token by token: what comes from memory is packed.

One row reads every weight once, so it takes as long as the weights take to come. They lie in words of 32 bits, those
of neighbouring columns side by side, and become f32 in registers. A block's products are summed before its scale is
applied, which rounds otherwise than products with dequantised weights: by no more than the order of a sum does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.made import Made
from xir.backends.codegen.lowering.stage import Stage, name_of
from xir.ir.constant import Array, constant_of
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Allocate, Apply, Axis, Buffer, For, Kernel, Let, Load, Scalar, Statement, Store, Variable
from xir.ops import elementwise
from xir.ops.packed import WORD, field, packed_matmul

VECTORS = 4
"""Vectors of columns whose sums hide each other's latency: 4 cycles, one product of each a cycle."""

ROWS = 8
"""Rows beyond which tiles of rows and columns share what is widened."""

NARROW = {DType.INT4: 4, DType.UINT4: 4, DType.INT8: 8, DType.UINT8: 8}
"""{element type of weights: bits}."""


def packed(node: Node, rewriter: Rewriter) -> Value | None:
    """A matrix product with constant weights that are dequantised, as one with packed weights; or None."""
    x, w = node.inputs[:2]
    turned, source = (False, w.node) if w is not None else (False, None)
    if source is not None and source.op.name == "transpose" and source.inputs[0] is not None:
        turned, source = True, source.inputs[0].node
    if x is None or w is None or source is None or source.op.name != "dequantize" or x.rank != 2 or w.rank != 2:
        return None
    if source.inputs[0] is None or source.inputs[0].dtype not in NARROW or x.dtype is not w.dtype:
        return None
    held = [None if value is None else rewriter.constant_of(value) for value in source.inputs]
    if held[0] is None or held[1] is None or (source.inputs[2] is not None and held[2] is None):
        return None
    arrays = [None if each is None else each.array() for each in held]
    made = _Weights.of(source, arrays, NARROW[source.inputs[0].dtype], turned)
    if made is None or x.dtype not in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
        return None
    given = [
        None if each is None else rewriter.parameter(constant_of(each), "packed", trainable=False)
        for each in (made.words, made.scale, made.zero_point)
    ]
    left = x if x.dtype is DType.FLOAT32 else elementwise.cast(x, dtype=DType.FLOAT32)
    words, scale, point = given
    if words is None or scale is None:
        return None
    y = packed_matmul(left, words, scale, point, bits=made.bits, block=made.block)
    return y if x.dtype is DType.FLOAT32 else elementwise.cast(y, dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class _Weights:
    """The operands of `packed_matmul`."""

    words: NDArray[np.int32]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32] | None
    bits: int
    block: int

    @classmethod
    def of(cls, source: Node, arrays: list[Array | None], bits: int, turned: bool) -> _Weights | None:
        """Of a `dequantize`; `turned`: its rows are the columns. None where blocks are no whole words."""
        weights, scale, points = arrays
        if weights is None or scale is None or weights.size == 0:
            return None
        axis, block = cast("int", source.attributes["axis"]), cast("int", source.attributes["block"])
        along = axis == (1 if turned else 0)
        rows = weights.shape[1 if turned else 0]
        single = scale.ndim == 0 or scale.shape == (1,)
        if (block and not along) or (not block and along and not single):
            return None
        size = block or rows
        if rows % size or size * bits % WORD:
            return None
        shape = (rows // size, weights.shape[0 if turned else 1])

        def laid(parameter: Array) -> NDArray[np.float32]:
            whole = parameter.astype(np.float32)
            return np.ascontiguousarray(np.broadcast_to(whole.T if turned and block else whole, shape))

        signed = weights.astype(np.int16)
        middle = 0 if source.inputs[0] is not None and source.inputs[0].dtype.is_signed else 1 << bits - 1
        zero = np.float32(-middle) if points is None else laid(points) - np.float32(middle)
        zeros = None if not np.any(zero) else np.ascontiguousarray(np.broadcast_to(zero, shape), np.float32)
        return cls(_packed(signed.T if turned else signed, middle, bits), laid(scale), zeros, bits, size)


def _packed(weights: NDArray[np.int16], middle: int, bits: int) -> NDArray[np.int32]:
    """Numbers [K, N] in words [K * bits / 32, N], less `middle`."""
    count = WORD // bits
    fields = ((weights - middle) & ((1 << bits) - 1)).astype(np.uint32).reshape(-1, count, weights.shape[1])
    words = np.zeros((fields.shape[0], fields.shape[2]), np.uint32)
    for place in range(count):
        words |= fields[:, place] << np.uint32(place * bits)
    return words.view(np.int32)


def narrow(made: Lowered, node: Node, number: int, machine: Machine) -> list[Stage] | None:
    """The stage of a `packed_matmul` of few rows with known weights; None for other nodes.

    Args:
        made: the program; it gets the weights in the order in which they are read.
        node: any node.
        number: makes the names of its loops and registers its own.
        machine: the processor.
    """
    if node.op.name != "packed_matmul":
        return None
    x, words, *others = (None if value is None else value for value in node.inputs)
    rows = None if x is None else x.shape[0]
    slots = [None if value is None else made.slot(value) for value in node.inputs]
    if x is None or words is None or not isinstance(rows, int) or rows > ROWS:
        return None
    if any(slot is not None and slot not in made.constants for slot in slots[1:]):
        return None
    columns = VECTORS * machine.lanes
    read: list[Buffer | None] = []
    for value, slot in zip((words, *others), slots[1:], strict=True):
        read.append(None if value is None or slot is None else _in_blocks(made, slot, value, columns))
    size = x.shape[1] * rows
    given = Buffer(name_of(slots[0] or 0), DType.FLOAT32, (size,))
    out = made.slot(node.outputs[0])
    result = Buffer(name_of(out), DType.FLOAT32, (node.outputs[0].shape[1] * rows,))
    write = _Writer(node, given, read, result, machine.lanes, str(number))
    inputs = (given, *(buffer for buffer in read if buffer is not None))
    return [Stage(Kernel(node.op.name, inputs, (result,), write.body()), (node,))]


def _in_blocks(made: Lowered, slot: int, value: Value, columns: int) -> Buffer:
    """A weight [rows, N] as [N / columns, rows, columns], zeros behind the last column."""
    rows, count = value.tensor.static_shape or (0, 0)
    blocks = -(-count // columns)
    type = TensorType(value.dtype, (blocks * rows * columns,))

    def pieces(array: Array) -> Iterator[Array]:
        for first in range(0, count, columns):
            part = array.reshape(rows, count)[:, first : first + columns]
            wide = np.pad(part, ((0, 0), (0, columns - part.shape[1])))
            yield np.ascontiguousarray(wide).reshape(-1)

    number = made.fresh(type)
    made.constants[number] = Made(type, made.constants[slot], pieces)
    return Buffer(name_of(number), value.dtype, type.shape)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the loops of one product."""

    node: Node
    x: Buffer
    weights: list[Buffer | None]
    result: Buffer
    lanes: int
    mark: str

    @property
    def columns(self) -> int:
        return VECTORS * self.lanes

    def axis(self, letter: str) -> Axis:
        return Axis(f"{letter}_{self.mark}")

    def vector(self, letter: str, body: list[Statement]) -> Statement:
        return For(self.axis(letter), self.lanes, "vector", tuple(body))

    def lane(self, letter: str, vector: int) -> Scalar:
        return Apply("add", (self.axis(letter), build.index(vector * self.lanes)))

    def body(self) -> tuple[Statement, ...]:
        rows, columns = self.node.outputs[0].tensor.static_shape or (0, 0)
        total = Buffer(f"t_{self.mark}", DType.FLOAT32, (self.columns,), "register")
        part = replace(total, name=f"p_{self.mark}")
        blocks = cast("Value", self.node.inputs[2]).shape[0]
        zero = build.number(0, DType.FLOAT32)
        inner = (
            self.vector("z", [Store(part, (self.lane("z", v),), zero) for v in range(VECTORS)]),
            For(self.axis("k"), self.words, "serial", (self.vector("w", self.products(part)),)),
            self.vector("s", self.scaled(part, total)),
        )
        held = (
            Allocate(total),
            Allocate(part),
            self.vector("a", [Store(total, (self.lane("a", v),), zero) for v in range(VECTORS)]),
            For(self.axis("b"), blocks, "serial", inner),
            self.vector("e", [self.stored(total, v, columns) for v in range(VECTORS)]),
        )
        count = -(-columns // self.columns)
        return (For(self.axis("n"), count, "parallel", (For(self.axis("m"), rows, "parallel", held),)),)

    @property
    def bits(self) -> int:
        return cast("int", self.node.attributes["bits"])

    @property
    def words(self) -> int:
        """Words of a block."""
        return cast("int", self.node.attributes["block"]) * self.bits // WORD

    def place(self, buffer: Buffer, row: Scalar, rows: int, letter: str, vector: int) -> Load:
        """A number of a row of weights, in the block of columns."""
        first = build.apply("add", build.apply("mul", self.axis("n"), build.index(rows)), row)
        flat = build.apply("mul", first, build.index(self.columns))
        return Load(buffer, (build.apply("add", flat, self.lane(letter, vector)),))

    def products(self, part: Buffer) -> list[Statement]:
        """The sums with the products of a word more."""
        made: list[Statement] = []
        blocks = self.sizes[0]
        row = build.apply("add", build.apply("mul", self.axis("b"), build.index(self.words)), self.axis("k"))
        count = WORD // self.bits
        words, _, point = self.weights
        held = [Variable(f"q_{self.mark}_{v}", DType.INT32) for v in range(VECTORS)]
        for v, variable in enumerate(held):
            made.append(Let(variable, self.place(build.present(words), row, blocks * self.words, "w", v)))
        zeros: list[Variable] = []
        for v in range(VECTORS) if point is not None else ():
            zeros.append(Variable(f"o_{self.mark}_{v}", DType.FLOAT32))
            made.append(Let(zeros[-1], self.place(build.present(point), self.axis("b"), blocks, "w", v)))
        for place in range(count):
            column = build.apply("add", build.apply("mul", row, build.index(count)), build.index(place))
            start = build.apply("mul", self.axis("m"), build.index(self.sizes[1]))
            element = Variable(f"x_{self.mark}_{place}", DType.FLOAT32)
            made.append(Let(element, Load(self.x, (build.apply("add", start, column),))))
            for v, variable in enumerate(held):
                number = field(variable, build.number(WORD - self.bits * (place + 1), DType.INT32), self.bits)
                number = build.apply("sub", number, zeros[v]) if zeros else number
                at = (self.lane("w", v),)
                total = build.apply("add", Load(part, at), build.apply("mul", element, number))
                made.append(Store(part, at, total))
        return made

    @property
    def sizes(self) -> tuple[int, int]:
        """Blocks of a column, and weights."""
        blocks = cast("Value", self.node.inputs[2]).shape[0]
        size = blocks if isinstance(blocks, int) else 0
        return size, size * cast("int", self.node.attributes["block"])

    def scaled(self, part: Buffer, total: Buffer) -> list[Statement]:
        made: list[Statement] = []
        for v in range(VECTORS):
            at = (self.lane("s", v),)
            factor = self.place(build.present(self.weights[1]), self.axis("b"), self.sizes[0], "s", v)
            more = build.apply("mul", Load(part, at), factor)
            made.append(Store(total, at, build.apply("add", Load(total, at), more)))
        return made

    def stored(self, total: Buffer, vector: int, columns: int) -> Statement:
        column = build.apply(
            "add", build.apply("mul", self.axis("n"), build.index(self.columns)), self.lane("e", vector)
        )
        place = build.apply("add", build.apply("mul", self.axis("m"), build.index(columns)), column)
        inside = None if columns % self.columns == 0 else build.apply("lt", column, build.index(columns))
        return Store(self.result, (place,), Load(total, (self.lane("e", vector),)), inside)
