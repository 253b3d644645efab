"""How each operator that a plan has is said in Keras's words: layers of Keras 3.15, operations of keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from xir.backends.export.keras._form import LAYER, OPERATION
from xir.backends.export.keras._layers import Layers
from xir.backends.export.keras.broadcast import AT_ONCE, grown_axes, write_repeated
from xir.backends.export.keras.recurrent import write_recurrent
from xir.backends.export.tensorflow._nodes import fields_of, number_in, real_in
from xir.backends.export.tflite._plan import Record
from xir.errors import UnsupportedError
from xir.flatbuffer.write import Content
from xir.ir.dims import Shape
from xir.ir.types import DType, TensorType
from xir.keras_layout import Json

Rule: TypeAlias = Callable[[Layers, Record], None]
"""Makes the layers of one operator."""


def write(layers: Layers, record: Record) -> None:
    """Makes the layers of one operator of the plan.

    Raises:
        UnsupportedError: Keras has none.
    """
    match record.options:
        case (option, fields) if option == OPERATION:
            config = cast("dict[str, Json]", fields["config"])
            layers.operation(record.kind, _operands(layers, record), record.outputs[0], **config)
        case (option, fields) if option == LAYER:
            _layer(layers, record, fields)
        case _ if record.kind in RULES:
            RULES[record.kind](layers, record)
        case _:
            raise UnsupportedError(f"Keras has no {record.kind.lower()}")


def _layer(layers: Layers, record: Record, fields: Mapping[str, Content]) -> None:
    """A layer of Keras's own: the tensors that it is called with, then its weights."""
    tensors, kernel = cast("int", fields["tensors"]), cast("Sequence[int]", fields["kernel"])
    weights = [
        layers.weight(number, kernel if kernel and not place else None)
        for place, number in enumerate(record.inputs[tensors:])
    ]
    operands = [layers.called(number) for number in record.inputs[:tensors]]
    config = cast("dict[str, Json]", fields["config"])
    layers.layer(record.kind, operands, record.outputs[0], weights, **config)
    for index, number in enumerate(record.outputs[1:], 1):
        layers.result(index, number)


def _operands(layers: Layers, record: Record) -> list[Json]:
    """The operands of an operation; the first of several that are all known becomes a tensor."""
    known = all(layers.is_known(number) for number in record.inputs)
    return [
        layers.called(number) if known and not place else layers.read(number)
        for place, number in enumerate(record.inputs)
    ]


def _same(kind: str) -> Rule:
    """An operation of the same operands."""

    def rule(layers: Layers, record: Record) -> None:
        layers.operation(kind, _operands(layers, record), record.outputs[0])

    return rule


def _merge(kind: str) -> Rule:
    """A layer that merges tensors of one shape; else the operation of the same name."""

    def rule(layers: Layers, record: Record) -> None:
        operands = _operands(layers, record)
        shapes = {layers.tensor(number).shape for number in record.inputs}
        known = any(layers.is_known(number) for number in record.inputs)
        real = layers.tensor(record.outputs[0]).dtype is DType.FLOAT32
        if known or not real or len(shapes) > 1 or shapes == {()}:
            layers.operation(kind, operands, record.outputs[0])
        else:
            layers.layer(kind, [operands], record.outputs[0])

    return rule


def _activation(kind: str, **config: Json) -> Rule:
    """A layer without weights."""

    def rule(layers: Layers, record: Record) -> None:
        layers.layer(kind, [layers.called(record.inputs[0])], record.outputs[0], **config)

    return rule


def _leaky(layers: Layers, record: Record) -> None:
    _activation("LeakyReLU", negative_slope=real_in(record, "alpha"))(layers, record)


def _gelu(layers: Layers, record: Record) -> None:
    about = bool(fields_of(record).get("approximate"))
    layers.operation("Gelu", _operands(layers, record), record.outputs[0], approximate=about)


def _clamped(low: float, high: float) -> Rule:
    def rule(layers: Layers, record: Record) -> None:
        layers.operation("Clip", _operands(layers, record), record.outputs[0], x_min=low, x_max=high)

    return rule


def _prelu(layers: Layers, record: Record) -> None:
    """PReLU: one slope for all along the shared axes; slopes that the run tells are multiplied."""
    x, slope = record.inputs
    sizes = layers.tensor(slope).shape
    if layers.is_known(slope) and sizes[:1] == (1,) and len(sizes) > 1:
        shared: list[Json] = [axis for axis, size in enumerate(sizes) if axis and size == 1]
        held = layers.weight(slope, layers.array(slope).shape[1:])
        layers.layer("PReLU", [layers.called(x)], record.outputs[0], (held,), shared_axes=shared)
        return
    type = _type(layers, x)
    below = layers.operation("Minimum", [layers.called(x), 0.0], type)
    scaled = layers.operation("Multiply", [below, layers.read(slope)], type)
    above = layers.layer("ReLU", [layers.called(x)], type)
    layers.operation("Add", [above, scaled], record.outputs[0])


def _type(layers: Layers, number: int) -> TensorType:
    held = layers.tensor(number)
    return TensorType(held.dtype, held.shape)


def _cast(layers: Layers, record: Record) -> None:
    word = layers.tensor(record.outputs[0]).dtype.dtype.name
    layers.operation("Cast", _operands(layers, record), record.outputs[0], dtype=word)


def _divided(layers: Layers, record: Record) -> None:
    """Whole numbers are divided towards zero: the quotient of their sizes, with the sign of the product."""
    x, y = _operands(layers, record)
    type = _type(layers, record.outputs[0])
    if type.dtype.is_floating:
        layers.operation("Divide", [x, y], record.outputs[0])
        return
    sign = layers.operation("Sign", [layers.operation("Multiply", [x, y], type)], type)
    sizes = [layers.operation("Absolute", [layers.called(number)], type) for number in record.inputs]
    layers.operation("Multiply", [layers.operation("FloorDivide", sizes, type), sign], record.outputs[0])


def _concat(layers: Layers, record: Record) -> None:
    operands: list[Json] = [layers.called(number) for number in record.inputs]
    layers.operation("Concatenate", [operands], record.outputs[0], axis=number_in(record, "axis"))


def _reshape(layers: Layers, record: Record) -> None:
    """Reshape and Flatten keep the first axis; others are operations."""
    source, made = layers.tensor(record.inputs[0]), layers.tensor(record.outputs[0])
    x, rest = layers.called(record.inputs[0]), _target(made.shape[1:])
    if made.shape and source.shape[:1] == made.shape[:1] and rest is not None and source.dtype is DType.FLOAT32:
        if len(rest) == 1 and len(source.shape) > 2 and rest != [-1]:
            layers.layer("Flatten", [x], record.outputs[0])
        else:
            layers.layer("Reshape", [x], record.outputs[0], target_shape=rest)
        return
    target = _target(made.shape)
    if target is None:
        raise UnsupportedError("a reshape of several sizes that only the run tells")
    layers.operation("Reshape", [x], record.outputs[0], newshape=target)


def _target(sizes: Shape) -> list[Json] | None:
    """The sizes for a reshape, -1 for one that only the run tells; None where that are several."""
    late = [size for size in sizes if not isinstance(size, int)]
    if len(late) > 1 or (late and 0 in sizes):
        return None
    return [size if isinstance(size, int) else -1 for size in sizes]


def _sizes(layers: Layers, record: Record) -> None:
    raise UnsupportedError("sizes that are computed at run time")


def _transpose(layers: Layers, record: Record) -> None:
    """Permute, which counts axes behind the first from 1; others are operations."""
    x, perm = layers.called(record.inputs[0]), layers.numbers(record.inputs[1])
    if perm[:1] == [0] and len(perm) > 1 and layers.tensor(record.inputs[0]).dtype is DType.FLOAT32:
        layers.layer("Permute", [x], record.outputs[0], dims=list(perm[1:]))
    else:
        layers.operation("Transpose", [x], record.outputs[0], axes=list(perm))


def _strided_slice(layers: Layers, record: Record) -> None:
    starts, stops, steps = (layers.numbers(number) for number in record.inputs[1:4])
    mask = number_in(record, "end_mask")
    key: list[Json] = [
        {
            "class_name": "__slice__",
            "config": {"start": start, "stop": None if mask >> axis & 1 else stop, "step": None if step == 1 else step},
        }
        for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True))
    ]
    layers.operation("GetItem", [layers.called(record.inputs[0]), key], record.outputs[0])


def _pad(layers: Layers, record: Record) -> None:
    """ZeroPadding1D and its kin around images; others are operations."""
    number, amounts, *fill = record.inputs
    pairs: list[Json] = [[int(before), int(after)] for before, after in layers.array(amounts)]
    spatial, held = pairs[1:-1], layers.tensor(number)
    outer = pairs[:1] + pairs[-1:] == [[0, 0], [0, 0]]
    if not fill and outer and 1 <= len(spatial) <= 3 and held.dtype is DType.FLOAT32:
        kind = f"ZeroPadding{len(spatial)}D"
        padding = spatial[0] if len(spatial) == 1 else spatial
        layers.layer(kind, [layers.called(number)], record.outputs[0], padding=padding)
        return
    operands = [layers.called(number)]
    if fill:
        operands.append(layers.array(fill[0]).reshape(()).tolist())
    layers.operation("Pad", operands, record.outputs[0], pad_width=pairs, mode="constant")


def _mirror_pad(layers: Layers, record: Record) -> None:
    pairs: list[Json] = [[int(before), int(after)] for before, after in layers.array(record.inputs[1])]
    layers.operation("Pad", [layers.called(record.inputs[0])], record.outputs[0], pad_width=pairs, mode="reflect")


def _numbered(kind: str, name: str) -> Rule:
    """An operation whose second operand is a setting."""

    def rule(layers: Layers, record: Record) -> None:
        numbers: list[Json] = [*layers.numbers(record.inputs[1])]
        layers.operation(kind, [layers.called(record.inputs[0])], record.outputs[0], **{name: numbers})

    return rule


def _broadcast(layers: Layers, record: Record) -> None:
    """BroadcastTo; along many axes, and to a shape that only the run tells, it is repeated otherwise."""
    if layers.is_known(record.inputs[1]) and len(grown_axes(layers, record)) <= AT_ONCE:
        _numbered("BroadcastTo", "shape")(layers, record)
    else:
        write_repeated(layers, record)


def _split(layers: Layers, record: Record) -> None:
    """Split at places, which are the sums of the sizes."""
    sizes, (axis,) = layers.numbers(record.inputs[1]), layers.numbers(record.inputs[2])
    places: list[Json] = [sum(sizes[:count]) for count in range(1, len(sizes))]
    x = layers.called(record.inputs[0])
    layers.operation("Split", [x], record.outputs[0], indices_or_sections=places, axis=axis)
    for index, number in enumerate(record.outputs[1:], 1):
        layers.result(index, number)


def _cumsum(layers: Layers, record: Record) -> None:
    """A running sum; a reversed one is that of the flipped operand, an exclusive one lacks the operand."""
    (axis,) = layers.numbers(record.inputs[1])
    x, type, options = layers.called(record.inputs[0]), _type(layers, record.inputs[0]), fields_of(record)
    reverse, exclusive = bool(options.get("reverse")), bool(options.get("exclusive"))
    result = record.outputs[0]
    first = layers.operation("Flip", [x], type, axis=[axis]) if reverse else x
    found = layers.operation("Cumsum", [first], type if reverse or exclusive else result, axis=axis)
    if reverse:
        found = layers.operation("Flip", [found], type if exclusive else result, axis=[axis])
    if exclusive:
        layers.operation("Subtract", [found, x], result)


def _gather(layers: Layers, record: Record) -> None:
    """Embedding of a table that is a weight; other elements are taken by an operation."""
    table, places = record.inputs
    axis, held = number_in(record, "axis"), layers.tensor(table)
    if layers.is_known(table) and axis == 0 and len(held.shape) == 2 and held.dtype is DType.FLOAT32:
        weight = layers.weight(table)
        rows, width = layers.array(table).shape
        layers.layer(
            "Embedding", [layers.called(places)], record.outputs[0], (weight,), input_dim=rows, output_dim=width
        )
    else:
        layers.operation("Take", _operands(layers, record), record.outputs[0], axis=axis)


def _reduced(kind: str) -> Rule:
    def rule(layers: Layers, record: Record) -> None:
        axes: list[Json] = [*layers.numbers(record.inputs[1])]
        keep = bool(fields_of(record).get("keep_dims"))
        layers.operation(kind, [layers.called(record.inputs[0])], record.outputs[0], axis=axes, keepdims=keep)

    return rule


def _place(kind: str) -> Rule:
    """A place, which is i32 in Keras."""

    def rule(layers: Layers, record: Record) -> None:
        (axis,) = layers.numbers(record.inputs[1])
        type = _type(layers, record.outputs[0])
        found = layers.operation(kind, [layers.called(record.inputs[0])], type.with_dtype(DType.INT32), axis=axis)
        layers.operation("Cast", [found], record.outputs[0], dtype=type.dtype.dtype.name)

    return rule


def _top_k(layers: Layers, record: Record) -> None:
    (count,) = layers.numbers(record.inputs[1])
    layers.operation("TopK", [layers.called(record.inputs[0])], record.outputs[0], k=count, sorted=True)
    layers.result(1, record.outputs[1])


def _dense(layers: Layers, record: Record) -> None:
    """Dense; weights [O, I] are turned around. Those that the run tells are multiplied."""
    x, w, *bias = record.inputs
    result = record.outputs[0]
    if layers.is_known(w):
        weights = [layers.turned(w), *(layers.weight(number) for number in bias)]
        units = layers.array(w).shape[0]
        layers.layer("Dense", [layers.called(x)], result, weights, units=units, use_bias=bool(bias))
        return
    product = layers.operation(
        "Matmul", [layers.called(x), _turned(layers, w)], _type(layers, result) if bias else result
    )
    if bias:
        layers.operation("Add", [product, layers.read(bias[0])], result)


def _batch_matmul(layers: Layers, record: Record) -> None:
    """Dense where the second operand is one known matrix, which is turned around with `adj_y`; else Matmul."""
    x, y = record.inputs
    adjoint, sizes = bool(fields_of(record).get("adj_y")), layers.tensor(y).shape
    whole = len(layers.tensor(x).shape) == len(layers.tensor(record.outputs[0]).shape)
    if layers.is_known(y) and set(sizes[:-2]) <= {1} and whole:
        weight = layers.turned(y) if adjoint else layers.weight(y, layers.array(y).shape[-2:])
        units = weight.shape[1]
        layers.layer("Dense", [layers.called(x)], record.outputs[0], (weight,), units=units, use_bias=False)
    else:
        second = _turned(layers, y) if adjoint else layers.called(y)
        layers.operation("Matmul", [layers.called(x), second], record.outputs[0])


def _turned(layers: Layers, number: int) -> Json:
    """Matrices with their axes swapped."""
    type = _type(layers, number)
    rank = len(type.shape)
    axes: list[Json] = [*range(rank - 2), rank - 1, rank - 2]
    shape = (*type.shape[:-2], type.shape[-1], type.shape[-2])
    return layers.operation("Transpose", [layers.called(number)], type.with_shape(shape), axes=axes)


def _mean(layers: Layers, record: Record) -> None:
    """Means of whole numbers are real in Keras; ours are rounded towards zero."""
    made = _type(layers, record.outputs[0])
    axes: list[Json] = [*layers.numbers(record.inputs[1])]
    keep, x = bool(fields_of(record).get("keep_dims")), layers.called(record.inputs[0])
    if made.dtype.is_floating:
        layers.operation("Mean", [x], record.outputs[0], axis=axes, keepdims=keep)
    else:
        mean = layers.operation("Mean", [x], made.with_dtype(DType.FLOAT32), axis=axes, keepdims=keep)
        layers.operation("Cast", [mean], record.outputs[0], dtype=made.dtype.dtype.name)


RULES: Mapping[str, Rule] = {
    **{
        kind: _same(operation)
        for kind, operation in (
            *(("EQUAL", "Equal"), ("NOT_EQUAL", "NotEqual"), ("LESS", "Less"), ("LESS_EQUAL", "LessEqual")),
            *(("GREATER", "Greater"), ("GREATER_EQUAL", "GreaterEqual"), ("SELECT_V2", "Where"), ("EXP", "Exp")),
            *(("LOG", "Log"), ("SQRT", "Sqrt"), ("SIN", "Sin"), ("COS", "Cos"), ("FLOOR", "Floor"), ("CEIL", "Ceil")),
            *(("ROUND", "Round"), ("NEG", "Negative"), ("ABS", "Absolute"), ("FLOOR_MOD", "Mod"), ("POW", "Power")),
            *(("FLOOR_DIV", "FloorDivide"), ("HARD_SWISH", "HardSilu"), ("BITWISE_XOR", "BitwiseXor")),
            *(("RIGHT_SHIFT", "BitwiseRightShift"), ("LOGICAL_AND", "LogicalAnd"), ("LOGICAL_OR", "LogicalOr")),
            ("LOGICAL_NOT", "LogicalNot"),
        )
    },
    "ADD": _merge("Add"),
    "SUB": _merge("Subtract"),
    "MUL": _merge("Multiply"),
    "MINIMUM": _merge("Minimum"),
    "MAXIMUM": _merge("Maximum"),
    "RELU": _activation("ReLU"),
    "RELU6": _activation("ReLU", max_value=6.0),
    "RELU_N1_TO_1": _clamped(-1.0, 1.0),
    "RELU_0_TO_1": _clamped(0.0, 1.0),
    "SOFTMAX": _activation("Softmax"),
    "LOG_SOFTMAX": _activation("Activation", activation="log_softmax"),
    "LEAKY_RELU": _leaky,
    "GELU": _gelu,
    "PRELU": _prelu,
    "DIV": _divided,
    "CAST": _cast,
    "DEQUANTIZE": _cast,
    "CONCATENATION": _concat,
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _mirror_pad,
    "BROADCAST_TO": _broadcast,
    "TILE": _numbered("Tile", "repeats"),
    "REVERSE_V2": _numbered("Flip", "axis"),
    "SPLIT_V": _split,
    "SHAPE": _sizes,
    "CUMSUM": _cumsum,
    "GATHER": _gather,
    "SUM": _reduced("Sum"),
    "MEAN": _mean,
    "REDUCE_MAX": _reduced("Max"),
    "REDUCE_MIN": _reduced("Min"),
    "REDUCE_PROD": _reduced("Prod"),
    "ARG_MAX": _place("Argmax"),
    "ARG_MIN": _place("Argmin"),
    "TOPK_V2": _top_k,
    "LSTM": write_recurrent,
    "GRU": write_recurrent,
    "SimpleRNN": write_recurrent,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _batch_matmul,
}
"""{operator of the plan: its layers}."""
