"""Operators between DEQUANTIZE and QUANTIZE, computed in integers.

A graph that was quantised says so with real numbers that pass through integers before and after each layer. TFLite's
kernels take the integers themselves (the rules of each are those of TensorFlow's quantization_spec): weights of i8
around 0, a bias of i32 in steps of the product of the scales, the same scale before and after what only moves elements.
What does not fit them stays in f32, with its operands dequantised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from xir.backends.export.tflite._fuse import ACTIVATIONS
from xir.backends.export.tflite._plan import Plan, Record, Scales, Tensor
from xir.flatbuffer.write import Content
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.types import DType

MOVING = frozenset(
    (
        *("RESHAPE", "TRANSPOSE", "STRIDED_SLICE", "REVERSE_V2", "TILE", "GATHER", "PAD", "PADV2", "MIRROR_PAD"),
        *("SPLIT_V", "BROADCAST_TO", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
    )
)
"""Operators that move their first operand's elements, whatever they stand for."""

CHOOSING = frozenset(
    (
        *("MAX_POOL_2D", "REDUCE_MAX", "REDUCE_MIN", "RESIZE_NEAREST_NEIGHBOR"),
        *("TOPK_V2", "ARG_MAX", "ARG_MIN"),
    )
)
"""Operators that pick elements by their order, which integers have too."""

BEHIND: Mapping[str, int] = MappingProxyType({"CONCATENATION": 0, "MAXIMUM": 0, "MINIMUM": 0, "SELECT_V2": 1})
"""{operator that quantising commutes with, for it keeps the order: the first of the operands that get the result's
scale}."""

WEIGHTED: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"CONV_2D": (0, 0), "DEPTHWISE_CONV_2D": (0, 3), "FULLY_CONNECTED": (0, 0), "TRANSPOSE_CONV": (2, 0)}
)
"""{operator with weights, its second operand, and a bias behind: the place of the image, the axis of the weights along
which scales may go}."""

PAIRED = frozenset(("ADD", "SUB", "MUL", "BATCH_MATMUL"))
"""Operators of two operands of any scales, and a result of any."""

SINGLE = frozenset(("MEAN", "SUM", "LEAKY_RELU", "HARD_SWISH", "ABS", "EXP", "ELU", "GELU"))
"""Operators whose first operand and result have any scales."""

ROOTS = frozenset(("SQRT", "LOG"))
"""Operators whose operand and result have any scales, if no integer stands for less than 0: there SQRT ends the run and
LOG makes the least number (kernels/elementwise.cc)."""

COMPARING: Mapping[str, str] = MappingProxyType(
    {
        **{kind: kind for kind in ("EQUAL", "NOT_EQUAL")},
        **{"LESS": "GREATER", "LESS_EQUAL": "GREATER_EQUAL", "GREATER": "LESS", "GREATER_EQUAL": "LESS_EQUAL"},
    }
)
"""{operator that compares operands of one scale: the one that says the same of them turned round}."""

_COMPARED = (1 / 250, 1.0)
"""Steps between which the kernel tells all integers apart: it multiplies by 256 steps and rounds twice, and it cannot
multiply by one or more (kernels/comparisons.cc, ComparisonQuantized)."""

SAME = frozenset(("AVERAGE_POOL_2D", "RESIZE_BILINEAR"))
"""Operators whose result has the operand's scale."""

RESULTS: Mapping[str, tuple[float, int]] = MappingProxyType(
    {
        "LOGISTIC": (1 / 256, -128),
        "SOFTMAX": (1 / 256, -128),
        "LOG_SOFTMAX": (1 / 16, 127),
        "TANH": (1 / 128, 0),
    }
)
"""{operator: the scale and zero point that its kernel gives its result} (kernels/activations.cc)."""

_CLAMP = "RELU_0_TO_1"
"""The clamp that no operator before it takes, as RELU and its kin are taken."""

_COARSEST = 1.9
"""How many steps of the wanted scale one step of such a result may be: below two, rounding twice is one step off."""

_TO_SIGNED = 128
"""What is taken off u8 and its zero point to make the same numbers of i8, whose least is as far below 0."""

_EXACT = 1e-3
"""How far from a whole number, in steps, a real number may be that counts as one."""


def compute_in_integers(plan: Plan) -> None:
    """Rewrites the records of a plan; tensors of real numbers that nothing reads any more are left out."""
    if any(record.kind == "QUANTIZE" for record in plan.records):
        folding = _Folding(plan)
        folding.sign()
        folding.hoist()
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

    def hoist(self) -> None:
        """Quantises what an operator of `BEHIND` takes instead of what it makes, where nothing else reads that.

        A clamp at whose bounds the integers end anyhow is left out.
        """
        plan = self.plan
        makers = {record.outputs[0]: record for record in plan.records if record.kind in {*BEHIND, _CLAMP}}
        readers = Counter(number for record in plan.records for number in record.inputs)
        readers.update(plan.outputs)
        kept: list[Record] = []
        behind: dict[int, Record] = {}

        def keep(record: Record) -> None:
            source = record.inputs[0] if record.kind == "QUANTIZE" else -1
            scales = self._scales(record.outputs[0]) if source in makers and readers[source] == 1 else None
            if scales is not None and (makers[source].kind != _CLAMP or _ends_within(scales, 0.0, 1.0)):
                behind[source] = record
            else:
                kept.append(record)

        for record in reversed(plan.records):
            after = behind.pop(record.outputs[0], None)
            if after is None:
                keep(record)
                continue
            if record.kind == _CLAMP:
                keep(replace(after, inputs=record.inputs, source=(*record.source, *after.source)))
                continue
            first = BEHIND[record.kind]
            made = [self._quantized(number, after) for number in record.inputs[first:]]
            numbers = [*record.inputs[:first], *(each if isinstance(each, int) else each.outputs[0] for each in made)]
            kept.append(replace(record, inputs=numbers, outputs=after.outputs, source=(*record.source, *after.source)))
            for each in made:
                if isinstance(each, Record):
                    keep(each)
        plan.records = kept[::-1]

    def _quantized(self, number: int, after: Record) -> int | Record:
        """What a record makes of its operand, of another tensor: known integers, or how they are made."""
        tensor, scales = self.plan.tensors[number], self.plan.tensors[after.outputs[0]].quantization
        if scales is None:
            raise TypeError(f"{after.outputs[0]} is made by QUANTIZE without scales")
        if tensor.constant is not None:
            return self._known(tensor.constant, scales)
        made = self._new(tensor, DType.INT8, scales)
        return replace(after, inputs=[number], outputs=[made])

    def _known(self, held: Constant, scales: Scales) -> int:
        """The integers that known real numbers are at a scale, saturated."""
        (step,), (point,), _ = scales
        numbers = np.rint(held.array().astype(np.float64) / step) + point
        return self._literal(np.clip(numbers, -_TO_SIGNED, _TO_SIGNED - 1).astype(np.int8), scales)

    def _literal(self, numbers: Array, scales: Scales) -> int:
        literal = self.plan.literal(constant_of(numbers), None, scales)
        self.plan.tensors[literal].quantization = scales
        return literal

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
            record.inputs = self._inputs(record)
            after = quantized.get(record.outputs[0])
            if after is not None and self.readers[record.outputs[0]] != 1:
                after = None
            if record.kind == "DEQUANTIZE":
                self.stored[record.outputs[0]] = record.inputs[0]
                self.records.append(record)
            elif record.kind == "QUANTIZE":
                self._requantize(record)
            elif after is not None and self._folded(record, after):
                done.add(after)
            elif self._moved(record) or self._rescaled(record) or self._compared(record):
                pass
            else:
                self.records.append(record)
        plan.records = self.records

    def _inputs(self, record: Record) -> list[int]:
        """The operands, what is known of a sum or product behind the other."""
        inputs = [self.aliases.get(number, number) for number in record.inputs]
        turned = record.kind in ("ADD", "MUL") and self.plan.tensors[inputs[0]].constant is not None
        return inputs[::-1] if turned else inputs

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
        if source is not None and not self._same(source, made):
            self.records.append(replace(record, inputs=[source]))
        elif source is None or made in self.plan.outputs:
            self.records.append(record)
        else:
            self.aliases[made] = source

    def _same(self, first: int, second: int) -> bool:
        one, other = self.plan.tensors[first], self.plan.tensors[second]
        return one.dtype is other.dtype and one.quantization == other.quantization

    def _moved(self, record: Record) -> bool:
        """Elements moved or chosen as integers, dequantised behind that."""
        source = self.stored.get(record.inputs[0])
        scales = None if source is None else self._scales(source)
        inputs = None if scales is None else self._moving(record, scales)
        if scales is None or inputs is None:
            return False
        self._dequantized(replace(record, inputs=inputs), scales)
        return True

    def _dequantized(self, record: Record, scales: Scales) -> None:
        """The operator with integers of these scales for real results, and these made of them behind it."""
        outputs = list(record.outputs)
        self.records.append(replace(record, outputs=outputs))
        for place, number in enumerate(record.outputs):
            tensor = self.plan.tensors[number]
            if tensor.dtype is DType.FLOAT32:
                outputs[place] = self.stored[number] = self._new(tensor, DType.INT8, scales)
                real = Record("DEQUANTIZE", [outputs[place]], [number], ("DequantizeOptions", {}), record.source)
                self.records.append(real)

    def _rescaled(self, record: Record) -> bool:
        """A product with one positive number that no QUANTIZE follows: the same integers at another scale, exactly."""
        if record.kind != "MUL" or (record.options and record.options[1].get("fused_activation_function")):
            return False
        source = self.stored.get(record.inputs[0])
        given = None if source is None else self._scales(source)
        held = self.plan.tensors[record.inputs[1]].constant
        if source is None or given is None or held is None or held.elements != 1 or not held.array().item() > 0:
            return False
        factor = float(held.array().item())
        scales: Scales = ((float(np.float32(given[0][0] * factor)),), given[1], 0)
        one = self._known(held, ((factor,), (0,), 0))
        self._dequantized(replace(record, inputs=[source, one]), scales)
        return True

    def _compared(self, record: Record) -> bool:
        """A comparison of integers of one scale, or with known numbers."""
        if record.kind not in COMPARING:
            return False
        kind, numbers = record.kind, record.inputs
        if self.plan.tensors[numbers[0]].constant is not None:
            kind, numbers = COMPARING[kind], numbers[::-1]
        first, second = (self.stored.get(number) for number in numbers)
        scales = None if first is None else self._scales(first)
        if first is None or scales is None or not _COMPARED[0] <= scales[0][0] < _COMPARED[1]:
            return False
        held = self.plan.tensors[numbers[1]].constant
        if held is not None:
            second = self._border(kind, held, scales)
        if second is None or self._scales(second) != scales:
            return False
        self.records.append(replace(record, kind=kind, inputs=[first, second], options=_options(kind, record)))
        return True

    def _border(self, kind: str, held: Constant, scales: Scales) -> int | None:
        """The integers with which integers compare as the real numbers that they stand for do with known ones."""
        (step,), (point,), _ = scales
        steps = np.arange(-_TO_SIGNED - point, _TO_SIGNED - point).astype(np.float32) * np.float32(step)
        above = kind in ("GREATER", "LESS_EQUAL")
        places = np.searchsorted(steps, held.array(), side="right" if above else "left") - above
        if places.min(initial=0) < 0 or places.max(initial=0) >= len(steps) or np.isnan(held.array()).any():
            return None
        if COMPARING[kind] == kind and not np.array_equal(steps[places], held.array()):
            return None
        return self._literal((places - _TO_SIGNED).astype(np.int8), scales)

    def _moving(self, record: Record, scales: Scales) -> list[int] | None:
        """The operands where elements with these scales move or are chosen as integers, which keep the scales."""
        if record.kind not in MOVING | CHOOSING:
            return None
        if record.options is not None and record.options[1].get("fused_activation_function"):
            return None
        inputs = [self.stored[record.inputs[0]], *record.inputs[1:]]
        if record.kind == "PADV2":
            fill = self.plan.tensors[inputs[2]].constant
            if fill is None or not _is_exact(fill, scales):
                return None
            inputs[2] = self._known(fill, scales)
        return inputs

    def _folded(self, record: Record, after: Record) -> bool:
        """The operator in integers, making what `after` does, or False where its kernel does not fit."""
        made = after.outputs[0]
        scales = self._scales(made)
        if scales is None or len(record.outputs) > 1:
            return False
        record = self._product(record)
        inputs = self._operands(record, scales)
        if inputs is None:
            return False
        source = (*record.source, *after.source)
        fixed = RESULTS.get(record.kind)
        if fixed is not None and not (scales[1][0] == fixed[1] and np.isclose(scales[0][0], fixed[0], rtol=1e-6)):
            again = self._new(self.plan.tensors[made], DType.INT8, ((fixed[0],), (fixed[1],), 0))
            self.records.append(replace(record, inputs=inputs, outputs=[again], source=source))
            self.records.append(replace(after, inputs=[again], source=source))
        else:
            self.records.append(replace(record, inputs=inputs, outputs=[made], source=source))
        return True

    def _product(self, record: Record) -> Record:
        """Negation and division by known numbers as products, which have kernels of integers at any scales."""
        factors = None
        if record.kind == "NEG":
            factors = np.full((1,) * len(self.plan.tensors[record.outputs[0]].shape), -1, np.float32)
        elif record.kind == "DIV" and (held := self.plan.tensors[record.inputs[1]].constant) is not None:
            with np.errstate(divide="ignore"):
                factors = np.reciprocal(held.array())
        if factors is None or factors.dtype != np.float32 or not np.isfinite(factors).all():
            return record
        inputs = [record.inputs[0], self.plan.literal(constant_of(factors))]
        return replace(record, kind="MUL", inputs=inputs, options=_options("MUL", record))

    def _operands(self, record: Record, scales: Scales) -> list[int] | None:
        """The operands in integers, for a result with these scales; None where the kernel takes none such."""
        kind = record.kind
        if kind in WEIGHTED:
            return self._weighted(record)
        sources = [self.stored.get(number) for number in record.inputs]
        first = sources[0]
        given = None if first is None else self._scales(first)
        if first is None or given is None:
            return None
        if given == scales and kind in MOVING | CHOOSING:
            return self._moving(record, scales)
        if kind == "PRELU":
            stored, farthest = sources[1], given[0][0] * (_TO_SIGNED + given[1][0])
            slope = self._near(record.inputs[1], farthest, scales) if stored is None else stored
            return None if slope is None or self._scales(slope) is None else [first, slope]
        if kind in PAIRED:
            second = sources[1]
            if second is None and kind != "BATCH_MATMUL":
                farthest = given[0][0] * max(_TO_SIGNED + given[1][0], _TO_SIGNED - 1 - given[1][0])
                second = self._near(record.inputs[1], farthest if kind == "MUL" else 1.0, scales)
            return None if second is None or self._scales(second) is None else [first, second]
        fits = kind in SINGLE or kind in ACTIVATIONS or (kind in SAME and given == scales)
        if kind in ROOTS:
            fits = given[1][0] == -_TO_SIGNED
        if kind in RESULTS:
            fits = RESULTS[kind][0] <= _COARSEST * scales[0][0]
        return [first, *record.inputs[1:]] if fits else None

    def _near(self, number: int, farthest: float, scales: Scales) -> int | None:
        """Known numbers as integers around 0, if rounding them, times `farthest`, moves no result by half a step."""
        held = self.plan.tensors[number].constant
        if held is None:
            return None
        numbers = held.array().astype(np.float64)
        step = max(float(np.abs(numbers).max(initial=0)) / (_TO_SIGNED - 1), float(np.finfo(np.float32).tiny))
        off = float(np.abs(np.rint(numbers / step) * step - numbers).max(initial=0)) * farthest
        return self._known(held, ((float(np.float32(step)),), (0,), 0)) if 2 * off <= scales[0][0] else None

    def _weighted(self, record: Record) -> list[int] | None:
        """Image, weights and bias; the bias in steps of the product of the scales."""
        place, across = WEIGHTED[record.kind]
        x, w = self.stored.get(record.inputs[place]), self.stored.get(record.inputs[1])
        if x is None or w is None:
            return None
        given, weights = self._scales(x), self.plan.tensors[w]
        if given is None or weights.constant is None or weights.dtype is not DType.INT8 or weights.quantization is None:
            return None
        steps, points, axis = weights.quantization
        if any(points) or (len(steps) > 1 and axis != across):
            return None
        inputs = [*record.inputs]
        inputs[place], inputs[1] = x, w
        last = max(place, 1) + 1
        if len(inputs) == last:
            return inputs
        bias = self.plan.tensors[inputs[last]].constant
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
            self.plan.tensors[held].name = f"{self.plan.tensors[inputs[last]].name}_quantized"
        inputs[last] = held
        return inputs


def _options(kind: str, record: Record) -> tuple[str, Mapping[str, Content]]:
    """The options of a record as those of another operator, whose table is called as the operator is."""
    fields: Mapping[str, Content] = {} if record.options is None else record.options[1]
    return "".join(word.capitalize() for word in kind.split("_")) + "Options", fields


def _ends_within(scales: Scales, low: float, high: float) -> bool:
    """Whether integers of 8 bits at a scale end at these bounds or before them, up to half a step."""
    (step,), (point,), _ = scales
    return (-_TO_SIGNED - point + 0.5) * step >= low and (_TO_SIGNED - 1 - point - 0.5) * step <= high


def _is_exact(held: Constant, scales: Scales) -> bool:
    """Whether known real numbers are integers of 8 bits at a scale, or below all of them."""
    (step,), (point,), _ = scales
    numbers = held.array().astype(np.float64)
    quotients = numbers[~np.isneginf(numbers)] / step + point
    near = np.abs(quotients - np.rint(np.clip(quotients, -_TO_SIGNED, _TO_SIGNED - 1))) < _EXACT
    return bool(near.all())


def _drop_unread(plan: Plan) -> None:
    """Leaves out records of which no result is read."""
    read = set(plan.outputs)
    kept: list[Record] = []
    for record in reversed(plan.records):
        if any(number in read for number in record.outputs):
            kept.append(record)
            read.update(record.inputs)
    plan.records = kept[::-1]
