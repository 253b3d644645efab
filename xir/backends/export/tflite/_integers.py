"""Operators between DEQUANTIZE and QUANTIZE, computed in integers.

A graph that was quantised says so with real numbers that pass through integers before and after each layer. TFLite's
kernels take the integers themselves (the rules of each are those of TensorFlow's quantization_spec): weights of i8
around 0, a bias of i32 in steps of the product of the scales, the same scale before and after what only moves elements.
What does not fit them stays in f32, with its operands dequantised.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from xir.backends.export.tflite._fuse import ACTIVATIONS
from xir.backends.export.tflite._plan import Plan, Record, Scales, Tensor
from xir.ir.constant import constant_of
from xir.ir.types import DType

_MOVING = frozenset(("RESHAPE", "TRANSPOSE", "STRIDED_SLICE", "REVERSE_V2", "TILE", "GATHER", "PAD", "PADV2"))
"""Operators that move their first operand's elements, whatever they stand for."""

_CHOOSING = frozenset(("MAX_POOL_2D", "REDUCE_MAX", "REDUCE_MIN", "RESIZE_NEAREST_NEIGHBOR"))
"""Operators that pick elements by their order, which integers have too."""

_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""{operator with weights and a bias: the axis of the weights along which scales may go}."""

_FREE = frozenset(("ADD", "SUB", "MUL", "MEAN", "LEAKY_RELU", "HARD_SWISH", "BATCH_MATMUL"))
"""Operators whose operands and result have any scales."""

_SAME = frozenset(("AVERAGE_POOL_2D", "RESIZE_BILINEAR"))
"""Operators whose result has the operand's scale."""

_RESULTS = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
"""{operator: the scale and zero point that its result must have} (reference_integer_ops)."""

_LOWEST = -128
_TO_SIGNED = 128
"""What is taken off u8 and its zero point to make the same numbers of i8."""


def compute_in_integers(plan: Plan) -> None:
    """Rewrites the records of a plan; tensors of real numbers that nothing reads any more are left out."""
    if any(record.kind == "QUANTIZE" for record in plan.records):
        folding = _Folding(plan)
        folding.sign()
        folding.walk()
    _drop_unread(plan)


@dataclass(slots=True, eq=False)
class _Folding:
    """The walk over the records.

    Attributes:
        stored: {tensor of real numbers: the tensor of its integers}.
        aliases: {tensor of integers: another with the same ones}.
        records: those that are written.
    """

    plan: Plan
    stored: dict[int, int] = field(default_factory=dict[int, int])
    aliases: dict[int, int] = field(default_factory=dict[int, int])
    records: list[Record] = field(default_factory=list[Record])
    readers: Counter[int] = field(default_factory=Counter[int])

    def sign(self) -> None:
        """Lets integers inside be i8 where they are u8: the kernels of u8 take no weights with a scale a channel."""
        plan = self.plan
        taken = {*plan.inputs, *plan.outputs}
        read: dict[int, set[str]] = {}
        for record in plan.records:
            for number in record.inputs:
                read.setdefault(number, set()).add(record.kind)
        for record in plan.records:
            number = record.outputs[0]
            tensor = plan.tensors[number]
            inside = record.kind == "QUANTIZE" and number not in taken and read.get(number, set()) <= {"DEQUANTIZE"}
            if inside and tensor.dtype is DType.UINT8 and tensor.quantization is not None:
                scales, points, axis = tensor.quantization
                tensor.dtype = DType.INT8
                tensor.quantization = scales, tuple(point - _TO_SIGNED for point in points), axis

    def walk(self) -> None:
        """Every record once, in order."""
        plan = self.plan
        for record in plan.records:
            self.readers.update(record.inputs)
        self.readers.update(plan.outputs)
        quantized = {record.inputs[0]: record for record in plan.records if record.kind == "QUANTIZE"}
        done: set[Record] = set()
        for record in plan.records:
            if record in done:
                continue
            record.inputs = [self.aliases.get(number, number) for number in record.inputs]
            after = quantized.get(record.outputs[0])
            if after is not None and self.readers[record.outputs[0]] != 1:
                after = None
            if record.kind == "DEQUANTIZE":
                self.stored[record.outputs[0]] = record.inputs[0]
                self.records.append(record)
            elif record.kind == "QUANTIZE":
                self._requantize(record)
            elif self._moved(record):
                pass
            elif after is not None and self._folded(record, after):
                done.add(after)
            else:
                self.records.append(record)
        plan.records = self.records

    def _scales(self, number: int) -> Scales | None:
        """The scales of integers of 8 bits with one zero point for all."""
        tensor = self.plan.tensors[number]
        if tensor.dtype is not DType.INT8 or tensor.quantization is None or len(tensor.quantization[0]) != 1:
            return None
        return tensor.quantization

    def _new(self, like: Tensor, dtype: DType, scales: Scales) -> int:
        self.plan.tensors.append(replace(like, dtype=dtype, name="", quantization=scales))
        tensor = self.plan.tensors[-1]
        tensor.name = f"{like.name}_quantized"
        return len(self.plan.tensors) - 1

    def _requantize(self, record: Record) -> None:
        """Integers of what are integers already: the same ones, or at another scale."""
        source, made = self.stored.get(record.inputs[0]), record.outputs[0]
        if source is None or made in self.plan.outputs:
            self.records.append(record)
            return
        if self._same(source, made):
            self.aliases[made] = source
        else:
            self.records.append(replace(record, inputs=[source]))

    def _same(self, first: int, second: int) -> bool:
        one, other = self.plan.tensors[first], self.plan.tensors[second]
        return one.dtype is other.dtype and one.quantization == other.quantization

    def _moved(self, record: Record) -> bool:
        """Elements moved or chosen as integers, dequantised behind that."""
        source = self.stored.get(record.inputs[0]) if record.kind in _MOVING | _CHOOSING else None
        scales = None if source is None else self._scales(source)
        if source is None or scales is None:
            return False
        if record.options is not None and record.options[1].get("fused_activation_function"):
            return False
        inputs = [source, *record.inputs[1:]]
        if record.kind == "PADV2":
            fill = self.plan.tensors[inputs[2]].constant
            if fill is None or not np.isneginf(fill.array().astype(np.float64)).all():
                return False
            lowest = self.plan.literal(constant_of(np.array([_LOWEST], np.int8)), None, scales)
            self.plan.tensors[lowest].quantization = scales
            inputs[2] = lowest
        made = self._new(self.plan.tensors[record.outputs[0]], DType.INT8, scales)
        self.records.append(replace(record, inputs=inputs, outputs=[made]))
        self.records.append(Record("DEQUANTIZE", [made], [record.outputs[0]], ("DequantizeOptions", {}), record.source))
        self.stored[record.outputs[0]] = made
        return True

    def _folded(self, record: Record, after: Record) -> bool:
        """The operator in integers, making what `after` does, or False where its kernel does not fit."""
        made = after.outputs[0]
        scales = self._scales(made)
        if scales is None:
            return False
        inputs = self._operands(record, scales)
        if inputs is None:
            return False
        self.records.append(replace(record, inputs=inputs, outputs=[made], source=(*record.source, *after.source)))
        return True

    def _operands(self, record: Record, scales: Scales) -> list[int] | None:
        kind = record.kind
        if kind in _WEIGHTED:
            return self._weighted(record)
        sources = [self.stored.get(number) for number in record.inputs]
        first = sources[0]
        given = None if first is None else self._scales(first)
        if first is None or given is None:
            return None
        if kind in _RESULTS:
            scale, point = _RESULTS[kind]
            fits = np.isclose(scales[0][0], scale, rtol=1e-6) and scales[1][0] == point
            return [first] if fits else None
        if kind in _SAME or kind in ACTIVATIONS:
            return [first, *record.inputs[1:]] if given == scales or kind in ACTIVATIONS else None
        if kind == "CONCATENATION":
            return self._joined(record, scales)
        if kind not in _FREE:
            return None
        if kind in ("MEAN", "LEAKY_RELU", "HARD_SWISH"):
            return [first, *record.inputs[1:]]
        found = [number for number in sources if number is not None and self._scales(number) is not None]
        return found if len(found) == len(sources) else None

    def _joined(self, record: Record, scales: Scales) -> list[int] | None:
        """The operands of a join, all at the result's scale (concatenation.cc)."""
        made: list[int] = []
        for number in record.inputs:
            source = self.stored.get(number)
            if source is None or self._scales(source) is None:
                return None
            if self.plan.tensors[source].quantization != scales:
                again = self._new(self.plan.tensors[source], DType.INT8, scales)
                self.records.append(Record("QUANTIZE", [source], [again], ("QuantizeOptions", {}), record.source))
                source = again
            made.append(source)
        return made

    def _weighted(self, record: Record) -> list[int] | None:
        """Image, weights and bias; the bias in steps of the product of the scales."""
        x, w = self.stored.get(record.inputs[0]), self.stored.get(record.inputs[1])
        if x is None or w is None:
            return None
        given, weights = self._scales(x), self.plan.tensors[w]
        if given is None or weights.constant is None or weights.dtype is not DType.INT8 or weights.quantization is None:
            return None
        steps, points, axis = weights.quantization
        if any(points) or (len(steps) > 1 and axis != _WEIGHTED[record.kind]):
            return None
        if len(record.inputs) == 2:
            return [x, w]
        bias = self.plan.tensors[record.inputs[2]].constant
        if bias is None:
            return None
        products = np.asarray(given[0], np.float64) * np.asarray(steps, np.float64)
        numbers = np.rint(bias.array().astype(np.float64) / products)
        if np.abs(numbers).max(initial=0) > np.iinfo(np.int32).max:
            return None
        scales: Scales = (tuple(products.astype(np.float32).tolist()), (0,) * len(steps), 0)
        held = self.plan.literal(constant_of(numbers.astype(np.int32)), None, scales)
        self.plan.tensors[held].quantization = scales
        if not self.plan.tensors[held].name:
            self.plan.tensors[held].name = f"{self.plan.tensors[record.inputs[2]].name}_quantized"
        return [x, w, held]


def _drop_unread(plan: Plan) -> None:
    """Leaves out records of which no result is read."""
    read = set(plan.outputs)
    kept: list[Record] = []
    for record in reversed(plan.records):
        if any(number in read for number in record.outputs):
            kept.append(record)
            read.update(record.inputs)
    plan.records = kept[::-1]
