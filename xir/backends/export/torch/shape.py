"""Forms of what moves elements without computing."""

from __future__ import annotations

from xir.backends.export.torch._form import (
    Answer,
    Argument,
    Forms,
    Refusal,
    Say,
    again,
    helped,
    ints,
    operand,
    pairs,
    real,
    shape_in,
    whole,
)
from xir.backends.export.torch.elementwise import NARROW
from xir.ir.dims import Dim, equal
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import shape as ops
from xir.ops.constant import constant, identity
from xir.ops.padding import pad
from xir.ops.triangle import trilu

forms = Forms()
forms.says(identity, "{}")


@forms.of(constant)
def _constant(node: Node) -> Answer:
    """The module holds it; see `Module.of`."""
    return Say("{}", node.outputs[0])


@forms.of(ops.reshape)
def _reshape(node: Node) -> Answer:
    """Flatten and squeeze where they say it, else the sizes; one that is not known is left to PyTorch."""
    x, result = operand(node), node.outputs[0]
    if result.rank < x.rank:
        start = _flattened_from(x.shape, result.shape)
        if start is not None:
            return Say("torch.flatten({}, {})", x, start)
    return Say("torch.reshape({}, {})", x, _told(x.shape, result.shape))


def _flattened_from(old: tuple[Dim, ...], new: tuple[Dim, ...]) -> int | None:
    """The axis from which on all axes become one, or None."""
    start = len(new) - 1
    if start < 0 or len(old) - start < 2:
        return None
    same = all(equal(a, b) is True for a, b in zip(old[:start], new[:start], strict=True))
    return start if same else None


def _told(old: tuple[Dim, ...], new: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The sizes with -1 for one that is a formula, where that is the only such and nothing is empty."""
    odd = [axis for axis, size in enumerate(new) if not isinstance(size, int)]
    if len(odd) != 1 or any(size == 0 for size in new):
        return new
    return tuple(-1 if axis == odd[0] else size for axis, size in enumerate(new))


@forms.of(ops.broadcast)
def _broadcast(node: Node) -> Answer:
    return Say("torch.broadcast_to({}, {})", operand(node), node.outputs[0].shape)


@forms.of(ops.transpose)
def _transpose(node: Node) -> Answer:
    return Say("torch.permute({}, {})", operand(node), ints(node, "perm"))


@forms.of(ops.concat)
def _concat(node: Node) -> Answer:
    values = [operand(node, index) for index in range(len(node.inputs))]
    return Say("torch.cat({}, {})", tuple(values), whole(node, "axis"))


@forms.of(ops.slice_)
def _slice(node: Node) -> Answer:
    """Python's slices; what only the run tells is a number of a tensor."""
    x = operand(node)
    axes, steps = ints(node, "axes"), ints(node, "steps")
    starts, stops = shape_in(node, "starts"), shape_in(node, "stops")
    if node.inputs[1] is not None or node.inputs[2] is not None:
        first: Argument = Say("{}.tolist()", node.inputs[1]) if node.inputs[1] is not None else starts
        last: Argument = Say("{}.tolist()", node.inputs[2]) if node.inputs[2] is not None else stops
        return helped("slice_late", x, first, last, list(axes), list(steps))
    cuts = {axis: (a, b, step) for axis, a, b, step in zip(axes, starts, stops, steps, strict=True)}
    template, arguments = list[str](), list[Argument]()
    for axis in range(max(axes, default=-1) + 1):
        if axis not in cuts:
            template.append(":")
            continue
        a, b, step = cuts[axis]
        whole_axis = a == 0 and not isinstance(b, int) and equal(b, x.shape[axis]) is True
        template.append(("" if a == 0 else "{}") + ":" + ("" if whole_axis else "{}") + ("" if step == 1 else ":{}"))
        arguments += [item for item, there in ((a, a != 0), (b, not whole_axis), (step, step != 1)) if there]
    return Say(f"{{}}[{', '.join(template)}]", x, *arguments) if template else Say("{}", x)


@forms.of(ops.reverse)
def _reverse(node: Node) -> Answer:
    return Say("torch.flip({}, {})", operand(node), ints(node, "axes"))


@forms.of(ops.split)
def _split(node: Node) -> Answer:
    """torch.split, of which pieces may be empty."""
    if node.inputs[1] is not None:
        return Refusal("pieces of sizes that only the run tells")
    return Say("torch.split({}, {}, {})", operand(node), list(shape_in(node, "sizes")), whole(node, "axis"))


@forms.of(ops.tile)
def _tile(node: Node) -> Answer:
    if node.inputs[1] is not None:
        return Say("torch.tile({}, tuple({}.tolist()))", operand(node), node.inputs[1])
    return Say("torch.tile({}, {})", operand(node), shape_in(node, "repeats"))


@forms.of(ops.shape_of)
def _shape_of(node: Node) -> Answer:
    return Say("torch.tensor({}.shape, dtype=torch.int64, device={device})", operand(node))


@forms.of(ops.iota)
def _iota(node: Node) -> Answer:
    """torch.arange along one axis, repeated along the others."""
    result, axis = node.outputs[0], whole(node, "axis")
    size, made = result.shape[axis], result.dtype
    computed = DType.FLOAT32 if made.is_floating and made is not DType.FLOAT64 else NARROW.get(made, made)
    row = Say("torch.arange({}, dtype={}, device={device})", size, computed)
    if computed is not made:
        row = Say("{}.to({})", row, made)
    if result.rank == 1:
        return row
    column: tuple[Dim, ...] = (-1, *(1,) * (result.rank - 1 - axis))
    return Say("torch.broadcast_to({}.reshape({}), {})", row, column, result.shape)


@forms.of(pad)
def _pad(node: Node) -> Answer:
    """F.pad, axis by axis from the last; negative amounts cut off."""
    x, mode = operand(node), str(node.attributes["mode"])
    padding = pairs(node)
    if any(value is not None for value in node.inputs[1:]):
        return _padded_late(node, x, mode, padding)
    if mode == "constant":
        wrong = any(isinstance(amount, int) and amount < 0 for pair in padding for amount in pair)
        if wrong and any(isinstance(amount, int) and amount > 0 for pair in padding for amount in pair):
            return _cut_and_padded(node, x, padding)
        return Say("F.pad({}, {}, value={})", x, flat_padding(padding), _fill(node, x))
    if any(isinstance(amount, int) and amount < 0 for pair in padding for amount in pair):
        return _cut_and_padded(node, x, padding)
    return _padded_by_places(x, padding, mode)


def _padded_late(node: Node, x: Value, mode: str, padding: tuple[tuple[Dim, Dim], ...]) -> Answer:
    """Amounts, axes and the value that only the run tells."""
    amounts, fill, places = node.inputs[1:]
    flat: Argument = [pair[side] for side in (0, 1) for pair in padding]
    axes: Argument = list(range(x.rank))
    if amounts is not None:
        flat = Say("{}.tolist()", amounts)
    if places is not None:
        axes = Say("[axis % {} for axis in {}.tolist()]", x.rank, places)
    value = _fill(node, x) if fill is None else Say("{}.item()", fill)
    return helped("padded", x, flat, axes, mode, value)


def _cut_and_padded(node: Node, x: Value, padding: tuple[tuple[Dim, Dim], ...]) -> Answer:
    """First what is cut off, then what is added: the elements of an edge or a mirror are those of the rest."""
    cut = tuple((min(a, 0) if isinstance(a, int) else 0, min(b, 0) if isinstance(b, int) else 0) for a, b in padding)
    more = tuple((a if c == 0 else 0, b if d == 0 else 0) for (a, b), (c, d) in zip(padding, cut, strict=True))
    (rest,) = again(node, (x, None, None, None), padding=cut, mode="constant", value=0.0)
    return again(node, (rest, None, None, None), padding=more)


def _fill(node: Node, x: Value) -> Argument:
    value = real(node, "value")
    if x.dtype is DType.BOOL:
        return bool(value)
    return int(value) if x.dtype.is_integer else value


def flat_padding(padding: tuple[tuple[Dim, Dim], ...]) -> tuple[Dim, ...]:
    """(before, after) of the last axis first, as F.pad takes them, without first axes that get nothing."""
    kept = list(padding)
    while len(kept) > 1 and kept[0] == (0, 0):
        kept.pop(0)
    return tuple(amount for pair in reversed(kept) for amount in pair)


def _padded_by_places(x: Value, padding: tuple[tuple[Dim, Dim], ...], mode: str) -> Answer:
    """Elements picked axis by axis: PyTorch's own modes are for some ranks and amounts alone."""
    said = Say("{}", x)
    for axis, (before, after) in enumerate(padding):
        if (before, after) != (0, 0):
            said = helped("pad_places", said, axis, before, after, mode)
    return said


@forms.of(trilu)
def _trilu(node: Node) -> Answer:
    """torch.triu and torch.tril."""
    if node.inputs[1] is not None:
        return Refusal("a diagonal that only the run tells")
    function = "triu" if node.attributes["upper"] else "tril"
    return Say(f"torch.{function}({{}}, {{}})", operand(node), whole(node, "diagonal"))
