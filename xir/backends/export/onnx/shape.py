"""ONNX forms of what moves elements about."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    again,
    ints,
    literal,
    onnx_value,
    operand,
    real,
    shape_in,
    whole,
)
from xir.backends.export.onnx._operands import in_i64, scalars
from xir.backends.export.onnx._windows import padding_of
from xir.ir.dims import Dim, Shape, bounds, equal, product
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops._wide import scalar
from xir.ops.blocks import depth_to_space, space_to_depth
from xir.ops.index import gather
from xir.ops.shape import (
    broadcast,
    concat,
    iota,
    pad,
    reshape,
    reverse,
    shape_of,
    slice_,
    split,
    tile,
    transpose,
)

forms = Forms()
forms.same(transpose, "Transpose", perm="perm")
forms.same(concat, "Concat", axis="axis")
forms.same(shape_of, "Shape")

_END = (1 << 63) - 1
"""ONNX Slice clamps an end to the size, so the largest i64 means 'to the end'."""


@forms.of(reshape)
def _reshape(node: Node, opset: int) -> Answer:
    """Reshape; unknown sizes as 0 (copied) and one -1 (what is left) where that is exact, else computed.

    A run-time target of ours has no 0 that copies: `allowzero` says so from opset 14 on.
    """
    x, target = operand(node), node.inputs[1]
    shape = shape_in(node, "shape")
    chosen = _chosen(x, shape) if target is None else None
    if chosen is not None:
        return chosen
    if target is not None and target.node is not None and target.node.op.name == "constant":
        return reshape(x, shape=shape)
    if target is not None:
        return in_i64(node, 1) or Call("Reshape", node.inputs, {"allowzero": 1} if opset >= 14 else {})
    if any(size == 0 for size in shape):
        if opset < 14:
            return Refusal("Reshape to an empty shape needs 'allowzero'", 14)
        return Call("Reshape", (x, Sizes(shape)), {"allowzero": 1})
    known = _target(x.shape, shape)
    if known is not None:
        return Call("Reshape", (x, known))
    copied = {"allowzero": 1} if opset >= 14 and _may_copy(x.shape, shape) else {}
    return _without_sizes(x, shape, opset) or Call("Reshape", (x, Sizes(shape)), copied)


def _chosen(x: Value, shape: Shape) -> Value | None:
    """`x[:, 3]`: one place of one axis, which then goes, is a Gather of a scalar in place of Slice and Squeeze."""
    cut = x.node
    if cut is None or cut.op is not slice_ or any(value is not None for value in cut.inputs[1:]):
        return None
    source, axes, starts = operand(cut), ints(cut, "axes"), shape_in(cut, "starts")
    if len(axes) != 1 or x.shape[axes[0]] != 1 or shape != (*x.shape[: axes[0]], *x.shape[axes[0] + 1 :]):
        return None
    start, size = starts[0], source.shape[axes[0]]
    if not isinstance(start, int):
        return gather(source, scalar(DType.INT64, -1), axis=axes[0]) if equal(start + 1, size) else None
    return gather(source, scalar(DType.INT64, start), axis=axes[0])


def _may_copy(source: Shape, shape: Shape) -> bool:
    """Whether a computed size may turn out to be 0, which Reshape takes for that of another axis."""
    return any(
        not isinstance(size, int)
        and (bounds(size)[0] or 0) < 1
        and not (axis < len(source) and equal(size, source[axis]) is True)
        for axis, size in enumerate(shape)
    )


def _without_sizes(x: Value, shape: Shape, opset: int) -> Call | None:
    """Operators that need no sizes: axes of 1 come or go, or two axes are made of all."""
    for kind, short, long in (("Unsqueeze", x.shape, shape), ("Squeeze", shape, x.shape)):
        axes = _extra_ones(short, long)
        if axes and opset >= 13:
            return Call(kind, (x, literal(list(axes), DType.INT64)))
        if axes:
            return Call(kind, (x,), {"axes": axes})
    if len(shape) == 2:
        for axis in range(x.rank + 1):
            parts = (product(x.shape[:axis]), product(x.shape[axis:]))
            if all(equal(have, want) is True for have, want in zip(parts, shape, strict=True)):
                return Call("Flatten", (x,), {"axis": axis})
    return None


def _extra_ones(short: Shape, long: Shape) -> tuple[int, ...]:
    """The axes of size 1 that `long` has and `short` has not, where all others are the same; else none."""
    axes: list[int] = []
    place = 0
    for axis, size in enumerate(long):
        if place < len(short) and equal(short[place], size) is True:
            place += 1
        elif size == 1:
            axes.append(axis)
        else:
            return ()
    return tuple(axes) if place == len(short) else ()


def _target(have: Shape, want: Shape) -> Operand:
    """0 where the size at the same place is copied, -1 for one that the others determine; None where it takes more."""
    plain: list[int] = []
    for axis, size in enumerate(want):
        if isinstance(size, int):
            plain.append(size)
        elif axis < len(have) and equal(have[axis], size) is True:
            plain.append(0)
        else:
            plain.append(-1)
    if plain.count(-1) > 1 or (-1 in plain and 0 in plain and not _positive(want, plain)):
        return None
    return literal(plain, DType.INT64)


def _positive(want: Shape, plain: list[int]) -> bool:
    """Whether the copied sizes are surely not 0, so that what is left is determined."""
    return all((bounds(size)[0] or 0) > 0 for size, code in zip(want, plain, strict=True) if code == 0)


@forms.of(broadcast)
def _broadcast(node: Node, opset: int) -> Answer:
    """Expand."""
    if node.inputs[1] is not None:
        return in_i64(node, 1) or Call("Expand", node.inputs)
    return Call("Expand", (operand(node), Sizes(shape_in(node, "shape"))))


@forms.of(slice_)
def _slice(node: Node, opset: int) -> Answer:
    """Slice with all its operands; an end at an unknown size is 'to the end'."""
    x, start, stop = operand(node), node.inputs[1], node.inputs[2]
    axes = ints(node, "axes")
    if not axes:
        return x
    starts: Operand = start if start is not None else Sizes(shape_in(node, "starts"))
    stops = shape_in(node, "stops")
    ends: tuple[Dim, ...] = tuple(
        _END if not isinstance(size, int) and equal(size, x.shape[axis]) is True else size
        for axis, size in zip(axes, stops, strict=True)
    )
    return Call(
        "Slice",
        (
            x,
            starts,
            stop if stop is not None else Sizes(ends),
            literal(list(axes), DType.INT64),
            literal(list(ints(node, "steps")), DType.INT64),
        ),
    )


@forms.of(reverse)
def _reverse(node: Node, opset: int) -> Answer:
    """Slice from the last element to before the first, in steps of -1 (ONNX Slice, negative steps)."""
    x, axes = operand(node), ints(node, "axes")
    if not axes:
        return x
    count = len(axes)
    return Call(
        "Slice",
        (
            x,
            literal([-1] * count, DType.INT64),
            literal([-_END] * count, DType.INT64),
            literal(list(axes), DType.INT64),
            literal([-1] * count, DType.INT64),
        ),
    )


@forms.of(pad)
def _pad(node: Node, opset: int) -> Answer:
    """Pad; what is cut off is a slice before it, as the operator says, for runtimes disagree on negative pads."""
    x, amounts, fill, places = operand(node), *node.inputs[1:]
    prepared = in_i64(node, 1) or scalars(node, 2)
    if prepared is not None:
        return prepared
    if amounts is None and places is None and not _only_adds(node):
        return _cut_first(node, x)
    mode, padding = str(node.attributes["mode"]), padding_of(node)
    if mode == "wrap" and opset < 19:
        return Refusal("Pad in mode 'wrap'", 19)
    if places is not None and opset < 18:
        return Refusal("Pad along axes that come at run time", 18)
    if amounts is None and all(pair == (0, 0) for pair in padding):
        return x
    given: list[Operand] = [x, amounts, fill, places]
    if amounts is None:
        given[1] = Sizes((*(before for before, _ in padding), *(after for _, after in padding)))
    if mode == "constant" and fill is None:
        given[2] = _scalar(real(node, "value"), x.dtype)
    while given[-1] is None:
        given.pop()
    return Call("Pad", tuple(given), {"mode": mode}, precision=x.dtype if mode == "constant" else DType.FLOAT32)


def _only_adds(node: Node) -> bool:
    """Whether the padding surely cuts nothing off, as far as numbers tell."""
    return all(not isinstance(amount, int) or amount >= 0 for pair in padding_of(node) for amount in pair)


def _scalar(value: float, dtype: DType) -> Fixed:
    if dtype is DType.STRING:
        return Fixed(np.asarray("", object))
    with np.errstate(over="ignore", invalid="ignore"):
        return Fixed(np.asarray(value).astype(dtype.dtype))


def _cut_first(node: Node, x: Value) -> Answer:
    axes: list[int] = []
    starts: list[Dim] = []
    stops: list[Dim] = []
    rest: list[tuple[Dim, Dim]] = []
    for axis, (before, after) in enumerate(padding_of(node)):
        front = -before if isinstance(before, int) and before < 0 else 0
        back = -after if isinstance(after, int) and after < 0 else 0
        rest.append((0 if front else before, 0 if back else after))
        if front or back:
            axes.append(axis)
            starts.append(front)
            stops.append(x.shape[axis] - back)
    cut = slice_(x, axes=tuple(axes), starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(axes))
    return again(node, (cut, None, *node.inputs[2:]), padding=tuple(rest))


@forms.of(tile)
def _tile(node: Node, opset: int) -> Answer:
    """Tile."""
    counts = node.inputs[1]
    given: Operand = Sizes(shape_in(node, "repeats")) if counts is None else counts
    return in_i64(node, 1) or Call("Tile", (operand(node), given))


@forms.of(split)
def _split(node: Node, opset: int) -> Answer:
    """Split, its sizes an attribute before opset 13 and an operand since."""
    x, lengths, sizes = operand(node), node.inputs[1], shape_in(node, "sizes")
    if opset >= 13:
        given: Operand = Sizes(sizes) if lengths is None else lengths
        return in_i64(node, 1) or Call("Split", (x, given), {"axis": whole(node, "axis")})
    if lengths is not None or not all(isinstance(size, int) for size in sizes):
        return Refusal("Split into sizes that are not known", 13)
    return Call("Split", (x,), {"axis": whole(node, "axis"), "split": onnx_value(node, "sizes")})


@forms.of(depth_to_space)
def _depth_to_space(node: Node, opset: int) -> Answer:
    """DepthToSpace, modes DCR and CRD."""
    mode = "DCR" if node.attributes["order"] == "depth_first" else "CRD"
    return Call("DepthToSpace", (operand(node),), {"blocksize": whole(node, "block"), "mode": mode})


@forms.of(space_to_depth)
def _space_to_depth(node: Node, opset: int) -> Answer:
    """SpaceToDepth, whose modes came with opset 28."""
    attributes: dict[str, OnnxAttribute] = {"blocksize": whole(node, "block")}
    if node.attributes["order"] != "depth_first":
        attributes["mode"] = "CRD"
    return Call("SpaceToDepth", (operand(node),), attributes)


@forms.of(iota)
def _iota(node: Node, opset: int) -> Answer:
    """Range in i64; other element types are cast, other shapes broadcast."""
    from xir.ops.elementwise import cast

    shape, axis, dtype = shape_in(node, "shape"), whole(node, "axis"), node.attributes["dtype"]
    if dtype is not DType.INT64 and isinstance(dtype, DType):
        return cast(iota(shape=shape, axis=axis, dtype=DType.INT64), dtype=dtype)
    if len(shape) != 1:
        line = iota(shape=(shape[axis],), axis=0, dtype=DType.INT64)
        column = reshape(line, shape=(shape[axis], *(1,) * (len(shape) - axis - 1)))
        return broadcast(column, shape=shape)
    bounds_ = (literal(0, DType.INT64), Sizes(shape, scalar=True), literal(1, DType.INT64))
    return Call("Range", bounds_)
