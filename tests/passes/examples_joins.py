"""Examples for the laws that join neighbours, move work to fewer elements, and take sizes that are known."""

from __future__ import annotations

import numpy as np

from tests.passes.helpers import F32, F64, I32, Example, Net
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.elementwise import cast, clip, exp, select, sub
from xir.ops.reduce import reduce_max, top_k
from xir.ops.shape import broadcast, concat, pad, reshape, shape_of, slice_, split, tile

N = Symbol("N")
COMPUTED = "the sizes are computed from what the model reads"
UNFIT = "the sizes do not fit what is known of the operand"


def masked(net: Net, x: Value) -> Value:
    number = net.held(np.array(1.0, np.float32))
    operands = (net.input(3, 1, dtype=DType.BOOL), x, number)
    return select(*(broadcast(each, shape=(2, 3, 4)) for each in operands))


def most(net: Net, shape: tuple[int, ...], repeated: tuple[int, ...], *axes: int, keep: bool = True) -> Value:
    return reduce_max(broadcast(net.input(*shape), shape=repeated), axes=axes, keep_dims=keep)


def numbers(*sizes: int) -> Value:
    return constant(value=constant_of(np.array(sizes, np.int64)))


def nested(net: Net, *, axis: int = 1, inner: int = 1) -> Value:
    return concat(net.input(2, 2), concat(net.input(2, 2), net.input(2, 2), axis=inner), axis=axis)


def nested_and_read(net: Net) -> tuple[Value, ...]:
    inner = concat(net.input(2, 3), net.input(2, 1), axis=1)
    return concat(inner, net.input(2, 2), axis=1), relu(inner)


def nested_and_one_read(net: Net) -> tuple[Value, ...]:
    inner = concat(net.input(2, 3), net.input(2, 1), axis=1)
    other = concat(net.input(2, 1), net.input(2, 1), axis=1)
    return concat(inner, other, axis=1), relu(inner)


def rejoined(net: Net, *order: int, axis: int = 1) -> Value:
    pieces = split(net.input(4, 4), axis=1, sizes=(2, 2))
    return concat(*(pieces[index] for index in order), axis=axis)


def cut(x: Value, start: Dim, stop: Dim, step: int = 1, axis: int = 1) -> Value:
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(step,))


def cut_concat(net: Net, start: Dim, stop: Dim, axis: int = 1) -> Value:
    return cut(concat(net.input(2, 3), net.input(2, 4), axis=1), start, stop, axis=axis)


def cut_both(net: Net) -> Value:
    joined = concat(net.input(3, 3), net.input(3, 4), axis=1)
    return slice_(joined, axes=(0, 1), starts=(1, 4), stops=(3, 7), steps=(1, 2))


def cut_at_run_time(net: Net) -> Value:
    joined = concat(net.input(2, 3), net.input(2, 4), axis=1)
    return slice_(joined, net.input(1, dtype=DType.INT64), axes=(1,), starts=(Symbol(),), stops=(7,), steps=(1,))


def clipped(x: Value, low: float | None, high: float | None) -> Value:
    return clip(x, minimum=low, maximum=high)


def padded(x: Value, *amounts: tuple[int, int], value: float = 0.0) -> Value:
    return pad(x, padding=amounts, value=value)


def two_casts(net: Net, start: DType, middle: DType, end: DType) -> Value:
    return cast(cast(net.input(7, dtype=start), dtype=middle), dtype=end)


def grown(x: Value, *shape: Dim) -> Value:
    return broadcast(x, shape=shape)


def bounded(net: Net, start: Value | None, stop: Value | None, *, size: Dim = 6) -> Value:
    x = net.input(2, size)
    first = (0,) if start is None else (Symbol("a"),)
    last = (size,) if stop is None else (Symbol("b"),)
    return slice_(x, start, stop, axes=(1,), starts=first, stops=last, steps=(2,))


I8, U8, I64, F16, BF16, BOOL = (
    DType.INT8, DType.UINT8, DType.INT64, DType.FLOAT16, DType.BFLOAT16, DType.BOOL,
)  # fmt: skip
NHWC = (0, 2, 3, 1)
OVER = "it reaches over several operands of concat"

EXAMPLES: tuple[Example, ...] = (
    Example("concat_of_concats", nested, "concat"),
    Example("concat_of_concats", nested_and_one_read, "concat concat relu", label="one of two"),
    Example("concat_of_concats", lambda net: nested(net, axis=0, inner=0), "concat", label="another axis"),
    Example("concat_of_concats", lambda net: concat(net.input(2, 4), concat(net.input(1, 4), net.input(1, 4), axis=0),
                                                    axis=1), None, label="two axes"),
    Example("concat_of_concats", nested_and_read, None, "the result of concat has 2 readers"),
    Example("concat_of_split", lambda net: rejoined(net, 0, 1), ""),
    Example("concat_of_split", lambda net: rejoined(net, 1, 0), None, label="another order"),
    Example("concat_of_split", lambda net: rejoined(net, 0), None, label="not all"),
    Example("concat_of_split", lambda net: rejoined(net, 0, 1, axis=0), None, label="another axis"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, 9), 1, 8), 2, 6), "slice"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, 20), 1, 19, 3), 1, 6, 2), "slice", label="steps"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, 20), 1, 19, 3), 1, 5), "slice", label="inner step"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, 9), 1, 8, 2), 2, 2), "slice", label="nothing left"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, N), 0, N), 1, N), "slice", label="symbolic"),
    Example("slice_of_slice", lambda net: cut(cut(net.input(2, N + 4), 1, N + 4, 2), 0, N // 2), None,
            "steps are taken over sizes that are not known"),
    Example("slice_of_concat", lambda net: cut_concat(net, 3, 6), "slice"),
    Example("slice_of_concat", lambda net: cut_concat(net, 0, 3), "slice", label="a whole operand"),
    Example("slice_of_concat", cut_both, "slice", label="another axis too"),
    Example("slice_of_concat", lambda net: cut_concat(net, 2, 4), None, OVER),
    Example("slice_of_concat", lambda net: cut(concat(net.input(2, N), net.input(2, 4), axis=1), 0, 1), None, OVER,
            label="unknown sizes"),
    Example("slice_of_concat", lambda net: cut_concat(net, 0, 1, axis=0), None, label="another axis"),
    Example("slice_of_concat", cut_at_run_time, None, label="at run time"),
    Example("double_cast", lambda net: two_casts(net, I8, I32, I64), "cast"),
    Example("double_cast", lambda net: two_casts(net, I8, I32, U8), "cast", label="narrower after all"),
    Example("double_cast", lambda net: two_casts(net, U8, I32, F32), "cast", label="to a float"),
    Example("double_cast", lambda net: two_casts(net, I8, F32, F16), "cast", label="by a float"),
    Example("double_cast", lambda net: two_casts(net, F16, F32, BF16), "cast", label="floats"),
    Example("double_cast", lambda net: two_casts(net, F32, F32, F64), "cast", label="to itself"),
    Example("double_cast", lambda net: two_casts(net, BOOL, F32, I32), None, "floats are cut to whole numbers"),
    Example("double_cast", lambda net: two_casts(net, BOOL, I32, F32), "cast", label="bools"),
    Example("double_cast", lambda net: two_casts(net, F32, F64, BOOL), "cast", label="to bool"),
    Example("double_cast", lambda net: two_casts(net, F32, F64, I32), None, "floats are cut to whole numbers",
            label="a float"),
    Example("double_cast", lambda net: two_casts(net, F64, F32, F64), None, "f32 does not hold every f64"),
    Example("double_cast", lambda net: two_casts(net, I32, F32, F64), None, "f32 does not hold every i32"),
    Example("double_cast", lambda net: two_casts(net, I8, U8, I32), None, "u8 does not hold every i8"),
    Example("double_cast", lambda net: two_casts(net, U8, I8, I32), None, "i8 does not hold every u8"),
    Example("double_cast", lambda net: two_casts(net, I8, BOOL, I32), None, "bool does not hold every i8"),
    Example("clips_join", lambda net: clipped(clipped(net.input(9), -1, 1), -0.5, 2), "clip"),
    Example("clips_join", lambda net: clipped(relu(net.input(9)), 0.0, 6.0), "clip", label="relu6"),
    Example("clips_join", lambda net: relu(clipped(net.input(9), None, 0.5)), "clip", label="relu after"),
    Example("clips_join", lambda net: clipped(clipped(net.input(9), 1, 2), -2, -1), "clip", label="apart"),
    Example("clips_join", lambda net: clipped(clipped(net.input(9), None, 0.5), None, 0.25), "clip", label="above"),
    Example("clips_join", lambda net: clipped(clipped(net.input(9), 2, 1), 0, 3), None,
            "a lower bound is above the upper one"),
    Example("clips_join", lambda net: clipped(clipped(net.input(9, dtype=I32), 0, 3), 1, 2), None, label="integers"),
    Example("pad_of_pad", lambda net: padded(padded(net.input(2, 3), (0, 1), (2, 0), value=1.5), (1, 0), (0, 0),
                                             value=1.5), "pad"),
    Example("pad_of_pad", lambda net: padded(padded(net.input(5), (-1, 1)), (1, 0)), None, "the padding cuts off"),
    Example("pad_of_pad", lambda net: padded(padded(net.input(5), (1, 1)), (1, 0), value=-0.0), None,
            label="other numbers"),
    Example("repeat_later", lambda net: exp(grown(net.input(3, 1), 2, 3, 4)), "exp broadcast"),
    Example("repeat_both_later", lambda net: sub(grown(net.input(3, 1), 3, 4), grown(net.input(3, 1), 3, 4)),
            "sub broadcast"),
    Example("repeat_both_later", lambda net: sub(grown(net.input(3, 1), 3, 3), grown(net.input(1, 3), 3, 3)), None),
    Example("repeat_both_later", lambda net: sub(grown(net.weight(), 3, 4), grown(net.input(3, 1), 3, 4)),
            "broadcast sub broadcast", label="a number"),
    Example("choose_before_repeating", lambda net: masked(net, net.held(np.array(0.0, np.float32))),
            "broadcast broadcast select broadcast"),
    Example("choose_before_repeating", lambda net: masked(net, net.weight(3, 4)), None),
    Example("reduce_before_repeating", lambda net: most(net, (3, 1, 5), (2, 3, 4, 5), 3), "reduce_max broadcast"),
    Example("reduce_before_repeating", lambda net: most(net, (3, 1, 5), (2, 3, 4, 5), 1, 3, keep=False),
            "reduce_max broadcast", label="axes gone"),
    Example("reduce_before_repeating", lambda net: most(net, (3, 1, 5), (3, 4, 5), 1), None,
            "an axis is repeated before it is reduced"),
    Example("reduce_before_repeating", lambda net: most(net, (5,), (3, 5), 0), None,
            "an axis is repeated before it is reduced", label="an axis of its own"),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), numbers(3, -1), shape=(Symbol(), Symbol())), "reshape"),
    Example("known_sizes", lambda net: reshape(net.input(N, 6), numbers(-1, 3), shape=(Symbol(), Symbol())), "reshape",
            label="symbolic"),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), numbers(12), shape=(Symbol(),)), "reshape",
            label="all told"),
    Example("known_sizes", lambda net: grown_at_run_time(net.input(3, 1), 2, 1, 4), "broadcast", label="broadcast"),
    Example("known_sizes", lambda net: tile(net.input(2, 3), numbers(1, 2), repeats=(Symbol(), Symbol())), "tile",
            label="tile"),
    Example("known_sizes", lambda net: pad(net.input(2, 3), numbers(0, 1, 2, 0), padding=((Symbol(), Symbol()),) * 2),
            "pad", label="pad"),
    Example("known_sizes", lambda net: top_k(net.input(2, 5), numbers(2), k=Symbol(), axis=1), "top_k", label="top_k"),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), shape_of(net.input(3, 4)), shape=(3, 4)), None,
            COMPUTED),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), shape=(3, 4)), None, label="no operand"),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), numbers(-1, -1), shape=(3, 4)), None, UNFIT),
    Example("known_sizes", lambda net: reshape(net.input(2, 6), numbers(5, -1), shape=(3, 4)), None, UNFIT,
            label="a rest"),
    Example("known_sizes", lambda net: grown_at_run_time(net.input(3, N), 3, 4), None, UNFIT, label="perhaps 1"),
    Example("known_bounds", lambda net: bounded(net, numbers(-5), numbers(100)), "slice"),
    Example("known_bounds", lambda net: bounded(net, numbers(1), None), "slice", label="start"),
    Example("known_bounds", lambda net: bounded(net, None, numbers(-1)), "slice", label="stop"),
    Example("known_bounds", lambda net: bounded(net, numbers(4), numbers(2)), "slice", label="nothing"),
    Example("known_bounds", lambda net: bounded(net, net.input(1, dtype=I64), numbers(3)), None, COMPUTED),
    Example("known_bounds", lambda net: bounded(net, None, None), None, label="no operand"),
    Example("known_bounds", lambda net: bounded(net, numbers(0), numbers(3), size=N), None,
            "the sliced axes have no known sizes"),
)  # fmt: skip


def grown_at_run_time(x: Value, *sizes: int) -> Value:
    return broadcast(x, numbers(*sizes), shape=tuple(Symbol() for _ in sizes))
